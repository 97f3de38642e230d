#include "passes/1_graph/Match.h"
#include "passes/2_quantize/Passes.h"

using namespace mlir;

namespace tenon::quantize {
#define GEN_PASS_DEF_DOTPRODUCTS
#include "passes/2_quantize/Passes.h.inc"
namespace {
using namespace graph;
using nn::Dim;

constexpr int64_t kFour = 4; // products of one instruction

bool isByte(Value value) { return isa<IntegerType>(elementOf(value)) && elementOf(value).getIntOrFloatBitWidth() == 8; }

/// Bytes less one zero point, in i32. A null zero point is 0.
struct Centred {
  Value bytes, zeroPoint;

  static std::optional<Centred> of(Value value) {
    auto widened = [](Value v) {
      auto cast = v.getDefiningOp<nn::CastOp>();
      return cast && isByte(cast.getInput()) ? cast.getInput() : Value();
    };
    if (Value bytes = widened(value))
      return Centred{bytes, {}};
    auto sub = value.getDefiningOp<nn::SubOp>();
    Value bytes = sub ? widened(sub.getLhs()) : Value();
    if (!bytes || rankOf(sub.getRhs()) != 0)
      return std::nullopt;
    return Centred{bytes, splatValue(sub.getRhs()) == 0.0 ? Value() : sub.getRhs()};
  }
};

/// The same numbers plus 128 as bytes without a sign.
Value shifted(OpBuilder &builder, Value bytes) {
  Location loc = bytes.getLoc();
  Type byte = builder.getIntegerType(8, /*isSigned=*/false), i32 = builder.getI32Type();
  if (auto quantize = bytes.getDefiningOp<nn::QuantizeOp>())
    return nn::QuantizeOp::create(builder, loc, quantize.getInput(), int64_t(quantize.getZeroPoint()) + 128, byte);
  Value wide = nn::CastOp::create(builder, loc, bytes, i32);
  return nn::CastOp::create(builder, loc, nn::AddOp::create(builder, loc, wide, scalarConstant(builder, loc, i32, 128)), byte);
}

void dropSign(OpBuilder &builder, Centred &x) {
  if (elementOf(x.bytes).isUnsignedInteger())
    return;
  Location loc = x.bytes.getLoc();
  Value offset = scalarConstant(builder, loc, builder.getI32Type(), 128);
  x.bytes = shifted(builder, x.bytes);
  x.zeroPoint = x.zeroPoint ? nn::AddOp::create(builder, loc, x.zeroPoint, offset).getResult() : offset;
}

struct DotProducts : impl::DotProductsBase<DotProducts> {
  void runOnOperation() override {
    auto isWanted = [](Operation *op) { return elementOf(op->getResult(0)).isSignlessInteger(32) && !isByte(op->getOperand(0)); };
    rewriteProducts(getOperation(), isWanted, [this](auto op) { rewrite(op); });
  }

private:
  /// Whether fours take the input channels of a filter: all, or those of an image.
  static bool divides(RankedTensorType filter) {
    int64_t channels = filter.getDimSize(1);
    return channels > 0 && (channels % kFour == 0 || (channels < kFour && filter.getRank() == 4 && filter.getDimSize(3) > 1));
  }

  /// Constant weights that fit signed bytes.
  static bool areBytes(Value weight) {
    std::optional<SmallVector<int32_t>> contents = integersOf(weight);
    return contents && llvm::all_of(*contents, [](int32_t v) { return v >= -128 && v <= 127; });
  }

  /// -zero point * sum of a result's weights, plus the bias: one number a result.
  static Value correction(OpBuilder &builder, Location loc, const Centred &x, Value weight, ArrayRef<int64_t> summed, Value bias) {
    if (!x.zeroPoint)
      return bias;
    auto kind = nn::ReduceKindAttr::get(builder.getContext(), nn::ReduceKind::Sum);
    Value sums = nn::ReduceOp::create(builder, loc, weight, kind, builder.getDenseI64ArrayAttr(summed), UnitAttr());
    Value offset = nn::NegOp::create(builder, loc, nn::MulOp::create(builder, loc, sums, x.zeroPoint));
    return bias ? nn::AddOp::create(builder, loc, bias, offset).getResult() : offset;
  }

  /// Takes the sum behind the product that is a bias, one constant a result, into the bias; returns what computes both.
  static Value takeBias(OpBuilder &builder, Operation *op, Value bias, int64_t axis, Value &product) {
    product = op->getResult(0);
    auto add = product.hasOneUse() ? dyn_cast<nn::AddOp>(*product.user_begin()) : nn::AddOp();
    Value other = add ? (add.getLhs() == product ? add.getRhs() : add.getLhs()) : Value();
    int64_t rank = rankOf(product);
    if (!other || !isConstant(other) || !sameShape(add, product) || singleAxis(other, rank) != axis)
      return bias;
    Dim size = nn::numElements(other.getType());
    if (size != nn::dimOf(product.getType(), axis))
      return bias;
    product = add.getResult();
    Value column = reshapeTo(builder, op->getLoc(), other, ArrayRef<Dim>(size));
    return bias ? nn::AddOp::create(builder, op->getLoc(), bias, column).getResult() : column;
  }

  static Value narrow(OpBuilder &builder, Value weight) { return nn::CastOp::create(builder, weight.getLoc(), weight, builder.getI8Type()); }

  /// What padding reads is the zero point: where that is not 0, it is written around the input.
  static Value padded(OpBuilder &builder, nn::ConvOp op, const Centred &x) {
    if (!x.zeroPoint || llvm::all_of(op.getPads(), [](int64_t pad) { return pad == 0; }))
      return x.bytes;
    size_t spatial = op.getStrides().size();
    SmallVector<int64_t> low(2, 0), high(2, 0);
    llvm::append_range(low, op.getPads().take_front(spatial));
    llvm::append_range(high, op.getPads().drop_front(spatial));
    Value value = nn::CastOp::create(builder, op.getLoc(), x.zeroPoint, elementOf(x.bytes));
    return nn::PadOp::create(builder, op.getLoc(), x.bytes, value, nn::dimsAttr(builder.getContext(), low), nn::dimsAttr(builder.getContext(), high));
  }

  void rewrite(nn::ConvOp op) {
    auto weight = cast<RankedTensorType>(op.getWeight().getType());
    std::optional<Centred> x = Centred::of(op.getInput());
    if (!x || !weight.hasStaticShape() || op.getGroups() != 1 || op.getLayout() != nn::Layout::ChannelsFirst || !divides(weight) || !areBytes(op.getWeight()))
      return;
    OpBuilder builder(op);
    dropSign(builder, *x);
    SmallVector<int64_t> summed = llvm::to_vector(llvm::seq<int64_t>(1, weight.getRank()));
    Value replaced, own = takeBias(builder, op, op.getBias(), 1, replaced);
    Value bias = correction(builder, op.getLoc(), *x, op.getWeight(), summed, own);
    Value input = padded(builder, op, *x);
    SmallVector<int64_t> pads(op.getPads());
    if (input != x->bytes)
      llvm::fill(pads, 0);
    replace(replaced, nn::ConvOp::create(builder, op.getLoc(), input, narrow(builder, op.getWeight()), bias, op.getStridesAttr(), builder.getDenseI64ArrayAttr(pads),
                                   op.getDilationsAttr(), op.getGroupsAttr(), op.getLayoutAttr()));
  }

  void rewrite(nn::MatMulOp op) {
    auto weight = cast<RankedTensorType>(op.getRhs().getType());
    std::optional<Centred> x = Centred::of(op.getLhs());
    int64_t depth = op.getTransposeRhs() ? 1 : 0;
    if (!x || op.getTransposeLhs() || weight.getRank() != 2 || !weight.hasStaticShape() || weight.getDimSize(depth) == 0 || weight.getDimSize(depth) % kFour ||
        !areBytes(op.getRhs()))
      return;
    OpBuilder builder(op);
    dropSign(builder, *x);
    Value replaced, own = takeBias(builder, op, op.getBias(), rankOf(op.getResult()) - 1, replaced);
    Value bias = correction(builder, op.getLoc(), *x, op.getRhs(), {depth}, own);
    replace(replaced, nn::MatMulOp::create(builder, op.getLoc(), x->bytes, narrow(builder, op.getRhs()), bias, op.getTransposeLhsAttr(), op.getTransposeRhsAttr()));
  }

  /// The ops that nothing reads any more go with the next canonicalization.
  void replace(Value old, Value result) {
    old.replaceAllUsesWith(result);
    ++rewritten;
  }
};
} // namespace
} // namespace tenon::quantize
