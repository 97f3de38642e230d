// Integer convolutions and products in f32, whose kernels are fast on every machine.
//
// f32 holds every integer up to 2^24. Where no sum of absolute products of one result exceeds that, all partial sums are such integers in
// whatever order they are added, fused or not: the result is exact. Where it does, the input channels are split into parts that stay below.
#include "passes/1_graph/Match.h"
#include "passes/1_graph/Passes.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"

using namespace mlir;

namespace tenon::graph {
#define GEN_PASS_DEF_EXACTINTEGERS
#include "passes/1_graph/Passes.h.inc"
namespace {
using nn::Dim;

constexpr int64_t kLargestExact = int64_t(1) << 24;
constexpr size_t kMostParts = 8;

/// An integer tensor in f32, and the range of its elements.
struct Real {
  Value value;
  int64_t low, high;
  int64_t magnitude() const { return std::max(std::abs(low), std::abs(high)); }
};

std::optional<Real> asReal(OpBuilder &builder, Value value) {
  Location loc = value.getLoc();
  auto real = [&](Value x) { return nn::CastOp::create(builder, loc, x, builder.getF32Type()).getResult(); };
  if (std::optional<SmallVector<int32_t>> contents = integersOf(value); contents && !contents->empty()) {
    auto [low, high] = std::minmax_element(contents->begin(), contents->end());
    return Real{real(value), *low, *high};
  }
  if (auto cast = value.getDefiningOp<nn::CastOp>()) {
    Type from = elementOf(cast.getInput());
    if (!from.isInteger() || from.getIntOrFloatBitWidth() > 16)
      return std::nullopt;
    unsigned bits = from.getIntOrFloatBitWidth();
    bool isUnsigned = from.isUnsignedInteger() || bits == 1;
    return Real{real(cast.getInput()), isUnsigned ? 0 : -(int64_t(1) << (bits - 1)), (int64_t(1) << (isUnsigned ? bits : bits - 1)) - 1};
  }
  auto sub = value.getDefiningOp<nn::SubOp>();
  if (!sub)
    return std::nullopt;
  std::optional<Real> lhs = asReal(builder, sub.getLhs()), rhs = asReal(builder, sub.getRhs());
  if (!lhs || !rhs)
    return std::nullopt;
  return Real{nn::SubOp::create(builder, loc, lhs->value, rhs->value), lhs->low - rhs->high, lhs->high - rhs->low};
}

/// Of a weight its results, the summands of each along the axis that may be split, and how many elements of each belong together.
struct Weight {
  int64_t results, depth, taps;
  bool depthFirst; // [depth, results] instead of [results, depth, taps]

  int64_t at(int64_t result, int64_t d, int64_t tap) const {
    return depthFirst ? d * results + result : (result * depth + d) * taps + tap;
  }
};

/// Splits the depth so that no result's sum of |weight| * `magnitude` plus `addend` exceeds what is exact; none where that takes too many parts.
std::optional<SmallVector<int64_t>> partsOf(const Weight &w, std::optional<ArrayRef<int32_t>> contents, int64_t largest, int64_t magnitude, int64_t addend = 0) {
  int64_t limit = (kLargestExact - addend) / std::max<int64_t>(magnitude, 1);
  SmallVector<int64_t> sizes(1, 0), sums(w.results, 0);
  for (int64_t d = 0; d < w.depth; ++d) {
    SmallVector<int64_t> own(w.results, largest * w.taps);
    for (int64_t k = 0; contents && k < w.results; ++k) {
      own[k] = 0;
      for (int64_t tap = 0; tap < w.taps; ++tap)
        own[k] += std::abs(int64_t((*contents)[w.at(k, d, tap)]));
    }
    bool fits = true;
    for (auto [sum, more] : llvm::zip(sums, own)) {
      if (more > limit)
        return std::nullopt;
      fits &= sum + more <= limit;
    }
    if (!fits) {
      sizes.push_back(0);
      llvm::fill(sums, 0);
    }
    for (auto [sum, more] : llvm::zip(sums, own))
      sum += more;
    ++sizes.back();
  }
  return sizes.size() <= kMostParts ? std::optional(sizes) : std::nullopt;
}

Value sliced(OpBuilder &builder, Location loc, Value value, int64_t axis, int64_t start, int64_t size) {
  SmallVector<Dim> sizes = nn::dimsOf(value.getType()), starts(sizes.size(), Dim::constant(builder.getContext(), 0));
  starts[axis] = Dim::constant(builder.getContext(), start);
  sizes[axis] = Dim::constant(builder.getContext(), size);
  return nn::SliceOp::create(builder, loc, value, nn::dimsAttr(builder.getContext(), starts), nn::dimsAttr(builder.getContext(), sizes),
                             builder.getDenseI64ArrayAttr(SmallVector<int64_t>(sizes.size(), 1)));
}

struct ExactIntegers : impl::ExactIntegersBase<ExactIntegers> {
  void runOnOperation() override {
    auto isWanted = [](Operation *op) { return elementOf(op->getResult(0)).isSignlessInteger(32) && elementOf(op->getOperand(0)).isSignlessInteger(32); };
    rewriteProducts(getOperation(), isWanted, [this](auto op) { rewrite(op); });
  }

  void rewrite(nn::ConvOp op) {
    auto type = cast<RankedTensorType>(op.getWeight().getType());
    if (!type.hasStaticShape() || op.getLayout() != nn::Layout::ChannelsFirst)
      return;
    int64_t taps = 1;
    for (int64_t size : type.getShape().drop_front(2))
      taps *= size;
    Weight weight{type.getDimSize(0), type.getDimSize(1), taps, false};
    replace(op, op.getInput(), op.getWeight(), op.getBias(), weight, /*splits=*/op.getGroups() == 1, 1, 1, /*biasIsColumn=*/true);
  }

  void rewrite(nn::MatMulOp op) {
    auto type = cast<RankedTensorType>(op.getRhs().getType());
    auto shape = type.getShape();
    if (ShapedType::isDynamic(shape.back()) || ShapedType::isDynamic(shape[shape.size() - 2]))
      return;
    int64_t rows = shape[shape.size() - 2], columns = shape.back(), lhsRank = rankOf(op.getLhs()), rhsRank = shape.size();
    Weight weight = op.getTransposeRhs() ? Weight{rows, columns, 1, false} : Weight{columns, rows, 1, true};
    replace(op, op.getLhs(), op.getRhs(), op.getBias(), weight, /*splits=*/true, lhsRank - (op.getTransposeLhs() ? 2 : 1),
            rhsRank - (op.getTransposeRhs() ? 1 : 2), false);
  }

  template <typename Op>
  void replace(Op op, Value lhs, Value rhs, Value bias, const Weight &weight, bool splits, int64_t lhsAxis, int64_t rhsAxis, bool biasIsColumn) {
    OpBuilder builder(op);
    std::optional<Real> left = asReal(builder, lhs), right = asReal(builder, rhs);
    if (!left || !right)
      return;
    std::optional<SmallVector<int32_t>> contents = integersOf(rhs);
    bool isKnown = contents && int64_t(contents->size()) == weight.results * weight.depth * weight.taps;
    auto sizes = partsOf(weight, isKnown ? std::optional<ArrayRef<int32_t>>(*contents) : std::nullopt, right->magnitude(), left->magnitude());
    if (!sizes || (sizes->size() > 1 && !splits))
      return;
    Location loc = op.getLoc();
    auto isExactWith = [&](int64_t addend) {
      auto one = addend < kLargestExact ? partsOf(weight, isKnown ? std::optional<ArrayRef<int32_t>>(*contents) : std::nullopt, right->magnitude(), left->magnitude(), addend)
                                        : std::nullopt;
      return one && one->size() == 1;
    };
    Value whole = sizes->size() == 1 ? product(builder, op, left->value, right->value) : Value();
    if (!bias && whole)
      stayReal(builder, op.getResult(), whole, isExactWith);
    if (op->use_empty()) {
      op.erase();
      ++rewritten;
      return;
    }
    Value sum;
    int64_t start = 0;
    for (int64_t size : *sizes) {
      auto part = [&](Value operand, int64_t axis) { return sliced(builder, loc, operand, axis, start, size); };
      Value summand = whole ? whole : product(builder, op, part(left->value, lhsAxis), part(right->value, rhsAxis));
      // The rounding changes nothing; it says that these are integers, which no later pass may scale.
      Value whole = nn::CastOp::create(builder, loc, nn::RoundOp::create(builder, loc, summand), builder.getI32Type());
      sum = sum ? nn::AddOp::create(builder, loc, sum, whole).getResult() : whole;
      start += size;
    }
    if (bias) {
      SmallVector<Dim> dims = nn::dimsOf(bias.getType());
      if (biasIsColumn)
        dims.append(rankOf(op.getResult()) - 2, Dim::constant(builder.getContext(), 1));
      sum = nn::AddOp::create(builder, loc, sum, reshapeTo(builder, loc, bias, dims));
    }
    op.getResult().replaceAllUsesWith(sum);
    op.erase();
    ++rewritten;
  }

  /// Readers that want the sums in f32, as they are or after a constant bias, get them without a detour through i32.
  static void stayReal(OpBuilder &builder, Value sums, Value product, function_ref<bool(int64_t)> isExactWith) {
    auto toReal = [](Operation *op) {
      auto cast = dyn_cast<nn::CastOp>(op);
      return cast && cast.getTo().isF32();
    };
    Value rounded;
    for (Operation *user : llvm::make_early_inc_range(sums.getUsers())) {
      auto add = dyn_cast<nn::AddOp>(user);
      Value bias = add ? (add.getLhs() == sums ? add.getRhs() : add.getLhs()) : Value();
      std::optional<SmallVector<int32_t>> contents = bias && bias != sums ? integersOf(bias) : std::nullopt;
      int64_t largest = 0;
      for (int32_t value : contents.value_or(SmallVector<int32_t>()))
        largest = std::max(largest, std::abs(int64_t(value)));
      bool isBiased = contents && sameShape(add, sums) && llvm::all_of(user->getUsers(), toReal) && isExactWith(largest);
      if (!isBiased && !toReal(user))
        continue;
      if (!rounded)
        rounded = nn::RoundOp::create(builder, product.getLoc(), product);
      if (!isBiased) {
        user->getResult(0).replaceAllUsesWith(rounded);
        user->erase();
        continue;
      }
      OpBuilder behind(user);
      Value total = nn::AddOp::create(behind, user->getLoc(), rounded, nn::CastOp::create(behind, user->getLoc(), bias, behind.getF32Type()));
      for (Operation *reader : llvm::make_early_inc_range(user->getUsers())) {
        reader->getResult(0).replaceAllUsesWith(total);
        reader->erase();
      }
      user->erase();
    }
  }

  Value product(OpBuilder &builder, nn::ConvOp op, Value lhs, Value rhs) {
    return nn::ConvOp::create(builder, op.getLoc(), lhs, rhs, Value(), op.getStridesAttr(), op.getPadsAttr(), op.getDilationsAttr(),
                              op.getGroupsAttr(), op.getLayoutAttr());
  }
  Value product(OpBuilder &builder, nn::MatMulOp op, Value lhs, Value rhs) {
    return nn::MatMulOp::create(builder, op.getLoc(), lhs, rhs, Value(), op.getTransposeLhsAttr(), op.getTransposeRhsAttr());
  }
};
} // namespace
} // namespace tenon::graph
