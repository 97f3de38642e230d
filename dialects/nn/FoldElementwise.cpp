// Folders of the elementwise ops: identities, and evaluation on small constants and sizes.
#include "dialects/nn/EvaluateElementwise.h"
#include "dialects/nn/Known.h"

using namespace mlir;

namespace tenon::nn {

/// The elementwise op computed on constant operands, element by element with broadcasting; null if it cannot be.
static Attribute evaluate(Operation *op, ArrayRef<Attribute> values) {
  auto type = cast<RankedTensorType>(op->getResult(0).getType());
  if (!isFoldable(type) || llvm::is_contained(values, Attribute()))
    return {};
  std::optional<SmallVector<Known>> operands = readAll(values, op->getOperands());
  if (!operands)
    return {};
  Known result{type, {}, {}, {}};
  bool known = true;
  forEachIndex(type.getShape(), [&](ArrayRef<int64_t> index) {
    SmallVector<int64_t> at = llvm::map_to_vector(*operands, [&](const Known &k) { return linearIndex(k.type.getShape(), index); });
    known = known && evaluateElement(op, *operands, at, result);
  });
  return known ? result.attribute() : Attribute();
}

static bool sameType(Value value, Operation *op) { return value.getType() == op->getResult(0).getType(); }

#define EVALUATED(OP)                                                                                                               \
  OpFoldResult OP::fold(FoldAdaptor adaptor) { return evaluate(getOperation(), adaptor.getOperands()); }
EVALUATED(SqrtOp)
EVALUATED(ReciprocalOp)
EVALUATED(SignOp)
EVALUATED(BitwiseNotOp)
EVALUATED(IsNanOp)
EVALUATED(IsInfOp)
EVALUATED(XorOp)
EVALUATED(BitwiseAndOp)
EVALUATED(BitwiseOrOp)
EVALUATED(BitwiseXorOp)
EVALUATED(ModOp)
EVALUATED(BitShiftOp)
EVALUATED(EqualOp)
EVALUATED(LessOp)
EVALUATED(LessOrEqualOp)
EVALUATED(GreaterOp)
EVALUATED(GreaterOrEqualOp)

// f(f(x)) = f(x)
#define IDEMPOTENT(OP)                                                                                                              \
  OpFoldResult OP::fold(FoldAdaptor adaptor) {                                                                                      \
    if (getInput().getDefiningOp<OP>())                                                                                             \
      return getInput();                                                                                                            \
    return evaluate(getOperation(), adaptor.getOperands());                                                                         \
  }
IDEMPOTENT(AbsOp)
IDEMPOTENT(FloorOp)
IDEMPOTENT(CeilOp)
IDEMPOTENT(RoundOp)
IDEMPOTENT(ReluOp)

// f(f(x)) = x
#define INVOLUTION(OP)                                                                                                              \
  OpFoldResult OP::fold(FoldAdaptor adaptor) {                                                                                      \
    if (auto inner = getInput().getDefiningOp<OP>())                                                                                \
      return inner.getInput();                                                                                                      \
    return evaluate(getOperation(), adaptor.getOperands());                                                                         \
  }
INVOLUTION(NegOp)
INVOLUTION(NotOp)

OpFoldResult ClipOp::fold(FoldAdaptor adaptor) {
  if (!getLow() && !getHigh())
    return getInput();
  return evaluate(getOperation(), adaptor.getOperands());
}

OpFoldResult CastOp::fold(FoldAdaptor adaptor) {
  if (sameType(getInput(), *this))
    return getInput();
  if (Attribute sizes = evaluateFloatSizes(*this))
    return sizes;
  return evaluate(getOperation(), adaptor.getOperands());
}

/// `value` where `constant` is `neutral` everywhere and broadcasting changes nothing.
static Value unlessNeutral(Operation *op, Value value, Attribute constant, double neutral) {
  return sameType(value, op) && isAll(constant, neutral) ? value : Value();
}

OpFoldResult AddOp::fold(FoldAdaptor adaptor) {
  // x + 0.0 is not x for x = -0.0; x + -0.0 is.
  double zero = isa<FloatType>(getType().getElementType()) ? -0.0 : 0.0;
  for (auto [value, other] : {std::pair(getLhs(), adaptor.getRhs()), std::pair(getRhs(), adaptor.getLhs())})
    if (Value same = unlessNeutral(*this, value, other, zero))
      return same;
  return evaluate(getOperation(), adaptor.getOperands());
}

OpFoldResult SubOp::fold(FoldAdaptor adaptor) {
  if (Value same = unlessNeutral(*this, getLhs(), adaptor.getRhs(), 0.0))
    return same;
  return evaluate(getOperation(), adaptor.getOperands());
}

OpFoldResult MulOp::fold(FoldAdaptor adaptor) {
  for (auto [value, other] : {std::pair(getLhs(), adaptor.getRhs()), std::pair(getRhs(), adaptor.getLhs())})
    if (Value same = unlessNeutral(*this, value, other, 1.0))
      return same;
  return evaluate(getOperation(), adaptor.getOperands());
}

// x / 1 = x; x^1 = x
#define RIGHT_ONE(OP)                                                                                                               \
  OpFoldResult OP::fold(FoldAdaptor adaptor) {                                                                                      \
    if (Value same = unlessNeutral(*this, getLhs(), adaptor.getRhs(), 1.0))                                                         \
      return same;                                                                                                                  \
    return evaluate(getOperation(), adaptor.getOperands());                                                                         \
  }
RIGHT_ONE(DivOp)
RIGHT_ONE(PowOp)

// f(x, x) = x
#define SELECTIVE(OP)                                                                                                               \
  OpFoldResult OP::fold(FoldAdaptor adaptor) {                                                                                      \
    if (getLhs() == getRhs())                                                                                                       \
      return getLhs();                                                                                                              \
    return evaluate(getOperation(), adaptor.getOperands());                                                                         \
  }
SELECTIVE(MaxOp)
SELECTIVE(MinOp)

// A logical op with its neutral element, or with itself.
#define LOGICAL(OP, NEUTRAL)                                                                                                        \
  OpFoldResult OP::fold(FoldAdaptor adaptor) {                                                                                      \
    if (getLhs() == getRhs())                                                                                                       \
      return getLhs();                                                                                                              \
    for (auto [value, other] : {std::pair(getLhs(), adaptor.getRhs()), std::pair(getRhs(), adaptor.getLhs())})                      \
      if (Value same = unlessNeutral(*this, value, other, NEUTRAL))                                                                 \
        return same;                                                                                                                \
    return evaluate(getOperation(), adaptor.getOperands());                                                                         \
  }
LOGICAL(AndOp, 1.0)
LOGICAL(OrOp, 0.0)

OpFoldResult SelectOp::fold(FoldAdaptor adaptor) {
  if (getOnTrue() == getOnFalse() && sameType(getOnTrue(), *this))
    return getOnTrue();
  for (auto [value, condition] : {std::pair(getOnTrue(), 1.0), std::pair(getOnFalse(), 0.0)})
    if (sameType(value, *this) && isAll(adaptor.getCondition(), condition))
      return value;
  return evaluate(getOperation(), adaptor.getOperands());
}

} // namespace tenon::nn
