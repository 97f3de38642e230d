#include "passes/1_graph/Match.h"
#include "passes/2_quantize/Passes.h"

using namespace mlir;

namespace tenon::quantize {
#define GEN_PASS_DEF_FORMQUANTIZE
#include "passes/2_quantize/Passes.h.inc"
namespace {
using namespace graph;

constexpr int kDepth = 8; // of expressions that are looked into

struct Range {
  double low, high;
};
Range rangeOf(Type byte) { return byte.isUnsignedInteger() ? Range{0, 255} : Range{-128, 127}; }

/// `value` without a choice of `low` in place of NaN, which nn.quantize makes too.
Value withoutNan(Value value, double low) {
  auto select = value.getDefiningOp<nn::SelectOp>();
  auto isNan = select ? select.getCondition().getDefiningOp<nn::IsNanOp>() : nn::IsNanOp();
  return isNan && isNan.getInput() == select.getOnFalse() && splatValue(select.getOnTrue()) == low ? select.getOnFalse() : value;
}

/// cast(clip(round(x) + zero point)) to 8 bits, with the type's bounds.
struct Parts {
  Value input;
  int64_t zeroPoint = 0;

  static Parts of(nn::QuantizeOp op) { return {op.getInput(), int64_t(op.getZeroPoint())}; }

  static std::optional<Parts> of(nn::CastOp cast) {
    Type to = cast.getTo();
    auto clip = cast.getInput().getDefiningOp<nn::ClipOp>();
    if (!isa<IntegerType>(to) || to.getIntOrFloatBitWidth() != 8 || !clip || !clip.getLow() || !clip.getHigh() || !elementOf(clip).isF32())
      return std::nullopt;
    Range range = rangeOf(to);
    if (clip.getLow()->convertToDouble() != range.low || clip.getHigh()->convertToDouble() != range.high)
      return std::nullopt;
    Parts parts;
    Value rounded = withoutNan(clip.getInput(), range.low);
    if (auto add = rounded.getDefiningOp<nn::AddOp>()) {
      auto shifted = plusScalar(rounded);
      if (!shifted || shifted->second != std::floor(shifted->second) || shifted->second < range.low || shifted->second > range.high)
        return std::nullopt;
      parts.zeroPoint = int64_t(shifted->second);
      rounded = shifted->first;
    }
    auto round = rounded.getDefiningOp<nn::RoundOp>();
    if (!round || !sameShape(round.getInput(), cast))
      return std::nullopt;
    parts.input = round.getInput();
    return parts;
  }
};

/// Whether `value` is arithmetic on constants and numbers that were integers, or SiLU of such: not a model's own reals, nor functions whose values lie
/// on ties, as sigmoid(0) = 127.5 / 255 does.
bool comesFromIntegers(Value value, int depth = kDepth) {
  if (isConstant(value))
    return true;
  Operation *op = value.getDefiningOp();
  if (auto cast = dyn_cast_or_null<nn::CastOp>(op))
    return isa<IntegerType>(elementOf(cast.getInput()));
  auto isSilu = [&](Value v, Value gate) {
    auto sigmoid = gate.getDefiningOp<nn::SigmoidOp>();
    return sigmoid && sigmoid.getInput() == v && comesFromIntegers(v, depth - 1);
  };
  if (auto mul = dyn_cast_or_null<nn::MulOp>(op); mul && depth > 0 && (isSilu(mul.getLhs(), mul.getRhs()) || isSilu(mul.getRhs(), mul.getLhs())))
    return true;
  return op && depth > 0 && isa<nn::AddOp, nn::SubOp, nn::MulOp, nn::DivOp, nn::ReluOp, nn::ClipOp, nn::RoundOp>(op) &&
         llvm::all_of(op->getOperands(), [&](Value v) { return comesFromIntegers(v, depth - 1); });
}

/// value / step, with the division as far up as it goes.
Value inSteps(OpBuilder &builder, Value value, Value step, double number, int depth = kDepth) {
  Location loc = value.getLoc();
  if (isConstant(value))
    return nn::DivOp::create(builder, loc, value, step);
  if (depth > 0) {
    if (auto mul = value.getDefiningOp<nn::MulOp>())
      for (auto [constant, other] : {std::pair(mul.getRhs(), mul.getLhs()), std::pair(mul.getLhs(), mul.getRhs())})
        if (isConstant(constant))
          return nn::MulOp::create(builder, loc, other, nn::DivOp::create(builder, loc, constant, step));
    auto below = [&](Value v) { return inSteps(builder, v, step, number, depth - 1); };
    if (auto add = value.getDefiningOp<nn::AddOp>())
      return nn::AddOp::create(builder, loc, below(add.getLhs()), below(add.getRhs()));
    if (auto relu = value.getDefiningOp<nn::ReluOp>())
      return nn::ReluOp::create(builder, loc, below(relu.getInput()));
    if (auto clip = value.getDefiningOp<nn::ClipOp>(); clip && clip.getLow() && clip.getHigh()) {
      auto steps = [&](const APFloat &bound) { return builder.getF64FloatAttr(float(bound.convertToDouble()) / float(number)); };
      return nn::ClipOp::create(builder, loc, clip.getType(), below(clip.getInput()), steps(*clip.getLow()), steps(*clip.getHigh()));
    }
  }
  return nn::MulOp::create(builder, loc, value, scalarConstant(builder, loc, elementOf(value), 1.0f / float(number)));
}

/// `value` without bounds beyond which the byte saturates anyway.
Value saturated(Value value, int64_t zeroPoint, Range range) {
  auto relu = value.getDefiningOp<nn::ReluOp>();
  if (relu && double(zeroPoint) == range.low)
    return relu.getInput();
  auto clip = value.getDefiningOp<nn::ClipOp>();
  bool isBeyond = clip && clip.getLow() && clip.getHigh() && std::nearbyint(clip.getLow()->convertToDouble()) + zeroPoint <= range.low &&
                  std::nearbyint(clip.getHigh()->convertToDouble()) + zeroPoint >= range.high;
  return isBeyond ? clip.getInput() : value;
}

/// What nn.quantize reads: its steps counted early, without what saturation does.
Value prepared(OpBuilder &builder, const Parts &parts, Type to) {
  Value value = parts.input;
  if (auto div = value.getDefiningOp<nn::DivOp>()) {
    std::optional<double> step = splatValue(div.getRhs());
    constexpr double kSmallest = 1e-30, kLargest = 1e30; // reciprocals and products stay normal numbers
    if (step && *step >= kSmallest && *step <= kLargest && rankOf(div.getRhs()) == 0 && comesFromIntegers(div.getLhs()))
      value = inSteps(builder, div.getLhs(), div.getRhs(), *step);
  }
  return saturated(value, parts.zeroPoint, rangeOf(to));
}

struct FormQuantize : impl::FormQuantizeBase<FormQuantize> {
  void runOnOperation() override {
    SmallVector<nn::CastOp> casts;
    getOperation().walk([&](nn::CastOp cast) { casts.push_back(cast); });
    for (nn::CastOp cast : casts) {
      std::optional<Parts> parts = Parts::of(cast);
      if (!parts)
        continue;
      OpBuilder builder(cast);
      Value input = prepared(builder, *parts, cast.getTo());
      cast.getResult().replaceAllUsesWith(nn::QuantizeOp::create(builder, cast.getLoc(), input, parts->zeroPoint, cast.getTo()));
      cast.erase();
      ++formed;
    }
    // Those that are there already: what moved between their scales and the scales before them may be gone.
    getOperation().walk([&](nn::QuantizeOp op) {
      OpBuilder builder(op);
      op.getInputMutable().assign(prepared(builder, Parts::of(op), op.getTo()));
    });
  }
};
} // namespace
} // namespace tenon::quantize
