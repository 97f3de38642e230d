#include "passes/1_graph/Match.h"
#include "passes/2_quantize/Passes.h"

using namespace mlir;

namespace tenon::quantize {
#define GEN_PASS_DEF_NARROWPRODUCTS
#include "passes/2_quantize/Passes.h.inc"
namespace {
using namespace graph;
using nn::Dim;

constexpr int64_t kFour = 4; // elements that kernels load at once

/// Floats of 8 bits, and the constant that they are multiplied by; a null scale is 1.
struct Scaled {
  Value narrow, scale;

  static std::optional<Scaled> of(Value value) {
    auto widened = [](Value v) {
      auto cast = v.getDefiningOp<nn::CastOp>();
      bool isNarrow = cast && isa<Float8E4M3FNType>(elementOf(cast.getInput())) && cast.getTo().isF32();
      return isNarrow ? cast.getInput() : Value();
    };
    if (Value narrow = widened(value))
      return Scaled{narrow, {}};
    auto mul = value.getDefiningOp<nn::MulOp>();
    if (!mul)
      return std::nullopt;
    for (auto [x, scale] : {std::pair(mul.getLhs(), mul.getRhs()), std::pair(mul.getRhs(), mul.getLhs())})
      if (Value narrow = widened(x); narrow && isConstant(scale) && nn::dimsOf(mul.getType()) == nn::dimsOf(narrow.getType()))
        return Scaled{narrow, scale};
    return std::nullopt;
  }

  bool hasOneScale() const { return !scale || nn::numElements(scale.getType()).isConstant(1); }
  /// Whether there is one scale, or one for each entry of axis `axis`.
  bool isAlong(int64_t axis) const { return hasOneScale() || singleAxis(scale, rankOf(narrow)) == axis; }
};

struct NarrowProducts : impl::NarrowProductsBase<NarrowProducts> {
  void runOnOperation() override {
    auto isWanted = [](Operation *op) { return elementOf(op->getResult(0)).isF32(); };
    rewriteProducts(getOperation(), isWanted, [this](auto op) { rewrite(op); });
  }

private:
  /// What the product reads: of the left operand any tensor, of the right one a constant of a fixed shape, summed over a multiple of four.
  static std::optional<std::pair<Scaled, Scaled>> factorsOf(Operation *op, int64_t column, int64_t depth) {
    std::optional<Scaled> x = Scaled::of(op->getOperand(0)), w = Scaled::of(op->getOperand(1));
    if (!x || !w || !x->hasOneScale() || !w->isAlong(column) || !isConstant(w->narrow))
      return std::nullopt;
    auto type = cast<RankedTensorType>(w->narrow.getType());
    if (!type.hasStaticShape() || type.getDimSize(depth) == 0 || type.getDimSize(depth) % kFour)
      return std::nullopt;
    return std::pair(*x, *w);
  }

  /// A parameter of one number, or one a result, with `trailing` axes behind it.
  static Value asColumn(OpBuilder &builder, Value parameter, int64_t trailing) {
    Dim count = nn::numElements(parameter.getType());
    SmallVector<Dim> dims;
    if (!count.isConstant(1)) {
      dims.push_back(count);
      dims.append(trailing, Dim::constant(builder.getContext(), 1));
    }
    return reshapeTo(builder, parameter.getLoc(), parameter, dims);
  }

  void replace(OpBuilder &builder, Operation *old, Value sums, const Scaled &x, const Scaled &w, Value bias, int64_t trailing) {
    Location loc = old->getLoc();
    Value factor;
    for (Value scale : {x.scale, w.scale})
      if (Value own = scale ? asColumn(builder, scale, trailing) : Value())
        factor = factor ? nn::MulOp::create(builder, loc, factor, own).getResult() : own;
    Value result = factor ? nn::MulOp::create(builder, loc, sums, factor).getResult() : sums;
    if (bias)
      result = nn::AddOp::create(builder, loc, result, asColumn(builder, bias, trailing));
    old->getResult(0).replaceAllUsesWith(result);
    ++rewritten;
  }

  void rewrite(nn::ConvOp op) {
    auto factors = factorsOf(op, 0, 1);
    if (!factors || op.getGroups() != 1)
      return;
    OpBuilder builder(op);
    auto [x, w] = *factors;
    Value sums = nn::ConvOp::create(builder, op.getLoc(), x.narrow, w.narrow, Value(), op.getStridesAttr(), op.getPadsAttr(), op.getDilationsAttr(),
                                    op.getGroupsAttr(), op.getLayoutAttr());
    bool isFirst = op.getLayout() == nn::Layout::ChannelsFirst;
    replace(builder, op, sums, x, w, op.getBias(), isFirst ? rankOf(sums) - 2 : 0);
  }

  void rewrite(nn::MatMulOp op) {
    if (rankOf(op.getRhs()) != 2 || op.getTransposeLhs())
      return;
    int64_t depth = op.getTransposeRhs() ? 1 : 0;
    auto factors = factorsOf(op, 1 - depth, depth);
    if (!factors)
      return;
    OpBuilder builder(op);
    auto [x, w] = *factors;
    Value sums = nn::MatMulOp::create(builder, op.getLoc(), x.narrow, w.narrow, Value(), op.getTransposeLhsAttr(), op.getTransposeRhsAttr());
    replace(builder, op, sums, x, w, op.getBias(), 0);
  }
};
} // namespace
} // namespace tenon::quantize
