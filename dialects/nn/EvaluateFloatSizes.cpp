// Exporters compute sizes in floats: cast, multiply or divide by a scale, floor or ceil, cast back. With expressions no
// constant can hold the floats between the casts, so the last cast evaluates the chain as rational numbers.
//
// Exact as long as sizes stay below 2^24 and the scales are fractions of a small power of two, as all numbers between are
// floats then; other scales are left alone.
#include "dialects/nn/EvaluateElementwise.h"

using namespace mlir;

namespace tenon::nn {

namespace {
/// numerator / denominator, the latter positive.
struct Rational {
  Dim numerator;
  int64_t denominator;
};
using Rationals = SmallVector<Rational>;

constexpr int kMaxChain = 16;           // ops between the casts
constexpr int64_t kMaxDenominator = 1 << 12; // of a scale, and of products of scales

std::optional<Rational> rationalOf(MLIRContext *ctx, const llvm::APFloat &value) {
  double number = value.convertToDouble();
  for (int64_t denominator = 1; denominator <= kMaxDenominator; denominator *= 2) {
    double numerator = number * denominator;
    if (std::abs(numerator) < 1 << 24 && numerator == std::floor(numerator))
      return Rational{Dim::constant(ctx, static_cast<int64_t>(numerator)), denominator};
  }
  return std::nullopt;
}

std::optional<Rational> combine(Operation *op, Rational a, Rational b) {
  if (isa<DivOp>(op)) {
    std::optional<int64_t> divisor = b.numerator.asConstant();
    if (!divisor || *divisor <= 0)
      return std::nullopt;
    b = {Dim::constant(b.numerator.context(), b.denominator), *divisor};
  }
  int64_t denominator;
  if (__builtin_mul_overflow(a.denominator, b.denominator, &denominator) || denominator > kMaxDenominator)
    return std::nullopt;
  if (isa<MulOp, DivOp>(op))
    return Rational{a.numerator * b.numerator, denominator};
  Dim left = a.numerator * b.denominator, right = b.numerator * a.denominator;
  if (isa<AddOp>(op))
    return Rational{left + right, denominator};
  return isa<SubOp>(op) ? std::optional(Rational{left - right, denominator}) : std::nullopt;
}

std::optional<Rationals> evaluate(Value value, int depth);

std::optional<Rationals> evaluateBinary(Operation *op, int depth) {
  std::optional<Rationals> a = evaluate(op->getOperand(0), depth), b = evaluate(op->getOperand(1), depth);
  if (!a || !b)
    return std::nullopt;
  size_t count = std::max(a->size(), b->size());
  if ((a->size() != count && a->size() != 1) || (b->size() != count && b->size() != 1))
    return std::nullopt;
  Rationals result;
  for (size_t i = 0; i < count; ++i) {
    std::optional<Rational> element = combine(op, (*a)[a->size() == 1 ? 0 : i], (*b)[b->size() == 1 ? 0 : i]);
    if (!element)
      return std::nullopt;
    result.push_back(*element);
  }
  return result;
}

std::optional<Rationals> evaluateConstant(ConstantOp constant) {
  std::optional<Known> known = Known::read(constant.getValue(), constant.getType());
  if (!known || !known->isFloat())
    return std::nullopt;
  Rationals result;
  for (const llvm::APFloat &value : known->floats) {
    std::optional<Rational> element = value.isFinite() ? rationalOf(constant.getContext(), value) : std::nullopt;
    if (!element)
      return std::nullopt;
    result.push_back(*element);
  }
  return result;
}

std::optional<Rationals> evaluateCast(CastOp cast, int depth) {
  if (isa<FloatType>(cast.getInput().getType().getElementType()))
    return evaluate(cast.getInput(), depth);
  std::optional<SmallVector<Dim>> sizes = constantDims(cast.getInput());
  if (!sizes)
    return std::nullopt;
  return llvm::map_to_vector(*sizes, [](Dim size) { return Rational{size, 1}; });
}

/// The elements of a float tensor of at most one axis, or of a scalar.
std::optional<Rationals> evaluate(Value value, int depth) {
  Operation *op = value.getDefiningOp();
  auto element = dyn_cast<FloatType>(cast<RankedTensorType>(value.getType()).getElementType());
  if (!op || depth == 0 || !element || element.getWidth() < 32 || cast<RankedTensorType>(value.getType()).getRank() > 1)
    return std::nullopt;
  if (auto constant = dyn_cast<ConstantOp>(op))
    return evaluateConstant(constant);
  if (auto cast = dyn_cast<CastOp>(op))
    return evaluateCast(cast, depth - 1);
  if (isa<AddOp, SubOp, MulOp, DivOp>(op))
    return evaluateBinary(op, depth - 1);
  if (!isa<FloorOp, CeilOp>(op))
    return std::nullopt;
  std::optional<Rationals> elements = evaluate(op->getOperand(0), depth - 1);
  if (elements)
    for (Rational &r : *elements)
      r = {isa<FloorOp>(op) ? r.numerator.floorDiv(r.denominator) : r.numerator.ceilDiv(r.denominator), 1};
  return elements;
}
} // namespace

Attribute evaluateFloatSizes(CastOp cast) {
  RankedTensorType type = cast.getType();
  bool toSizes = type.getElementType().isInteger(64) || type.getElementType().isInteger(32);
  if (!toSizes || !isFoldable(type) || !isa<FloatType>(cast.getInput().getType().getElementType()))
    return {};
  std::optional<Rationals> elements = evaluate(cast.getInput(), kMaxChain);
  if (!elements || static_cast<int64_t>(elements->size()) != type.getNumElements())
    return {};
  Known result{type, {}, {}, {}};
  for (auto [numerator, denominator] : *elements) {
    // Truncation is floor for what is not negative.
    if (denominator != 1 && numerator.lowerBound().value_or(-1) < 0)
      return {};
    result.sizes.push_back(numerator.floorDiv(denominator));
  }
  return result.attribute();
}

} // namespace tenon::nn
