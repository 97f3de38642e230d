// Result types of the elementwise ops.
#include "dialects/nn/Infer.h"

using namespace mlir;

namespace tenon::nn {

namespace {
enum class Elements { Any, Float, Number, Integer, Bool };

LogicalResult checkElements(Where where, Value tensor, Elements allowed) {
  Type element = elementOf(tensor);
  bool boolean = element.isInteger(1), integer = isa<IntegerType>(element) && !boolean;
  switch (allowed) {
  case Elements::Any:
    return success();
  case Elements::Float:
    return checkFloat(where, tensor);
  case Elements::Number:
    return integer || isFloatLike(element) ? success() : refuse(where, "expected elements that are numbers, found ", element);
  case Elements::Integer:
    return integer ? success() : refuse(where, "expected integer elements, found ", element);
  case Elements::Bool:
    return boolean ? success() : refuse(where, "expected boolean (i1) elements, found ", element);
  }
  llvm_unreachable("covered switch");
}

LogicalResult inferUnary(Where where, Value input, Elements allowed, Types &types) {
  if (failed(checkElements(where, input, allowed)))
    return failure();
  types.push_back(input.getType());
  return success();
}

LogicalResult inferTest(Where where, Value input, Types &types) {
  if (failed(checkFloat(where, input)))
    return failure();
  types.push_back(withElement(cast<RankedTensorType>(input.getType()), IntegerType::get(input.getContext(), 1)));
  return success();
}

LogicalResult inferBroadcast(Where where, ValueRange operands, Type element, Types &types) {
  SmallVector<Dim> dims = dimsOf(operands[0].getType());
  for (Value operand : operands.drop_front()) {
    FailureOr<SmallVector<Dim>> wider = broadcast(where, dims, dimsOf(operand.getType()));
    if (failed(wider))
      return failure();
    dims = *wider;
  }
  return giveTensor(where, dims, element, types);
}

LogicalResult inferBinary(Where where, Value lhs, Value rhs, Elements allowed, Types &types) {
  if (failed(checkElements(where, lhs, allowed)) || failed(checkSameElements(where, lhs, rhs)))
    return failure();
  return inferBroadcast(where, {lhs, rhs}, elementOf(lhs), types);
}

LogicalResult inferComparison(Where where, Value lhs, Value rhs, Elements allowed, Types &types) {
  if (failed(checkElements(where, lhs, allowed)) || failed(checkSameElements(where, lhs, rhs)))
    return failure();
  return inferBroadcast(where, {lhs, rhs}, IntegerType::get(lhs.getContext(), 1), types);
}
} // namespace

#define INFER(OP, ...)                                                                                                              \
  LogicalResult OP::inferReturnTypes(MLIRContext *, Where where, Adaptor op, Types &types) { return __VA_ARGS__; }
#define UNARY(OP, ELEMENTS) INFER(OP, inferUnary(where, op.getInput(), Elements::ELEMENTS, types))
#define BINARY(OP, ELEMENTS) INFER(OP, inferBinary(where, op.getLhs(), op.getRhs(), Elements::ELEMENTS, types))
#define COMPARISON(OP, ELEMENTS) INFER(OP, inferComparison(where, op.getLhs(), op.getRhs(), Elements::ELEMENTS, types))

UNARY(AbsOp, Number)
UNARY(NegOp, Number)
UNARY(SignOp, Number)
UNARY(ReluOp, Number)
UNARY(NotOp, Bool)
UNARY(BitwiseNotOp, Integer)
UNARY(ExpOp, Float)
UNARY(LogOp, Float)
UNARY(SqrtOp, Float)
UNARY(ReciprocalOp, Float)
UNARY(SinOp, Float)
UNARY(CosOp, Float)
UNARY(TanOp, Float)
UNARY(AsinOp, Float)
UNARY(AcosOp, Float)
UNARY(AtanOp, Float)
UNARY(SinhOp, Float)
UNARY(CoshOp, Float)
UNARY(TanhOp, Float)
UNARY(AsinhOp, Float)
UNARY(AcoshOp, Float)
UNARY(AtanhOp, Float)
UNARY(ErfOp, Float)
UNARY(FloorOp, Float)
UNARY(CeilOp, Float)
UNARY(RoundOp, Float)
UNARY(SigmoidOp, Float)
UNARY(HardSwishOp, Float)
UNARY(SiluOp, Float)
UNARY(SoftplusOp, Float)
UNARY(SoftsignOp, Float)
UNARY(MishOp, Float)
UNARY(LeakyReluOp, Float)
UNARY(EluOp, Float)
UNARY(CeluOp, Float)
UNARY(SeluOp, Float)
UNARY(ThresholdedReluOp, Float)
UNARY(HardSigmoidOp, Float)
UNARY(GeluOp, Float)
UNARY(ClipOp, Number)
INFER(IsNanOp, inferTest(where, op.getInput(), types))
INFER(IsInfOp, inferTest(where, op.getInput(), types))

BINARY(AddOp, Number)
BINARY(SubOp, Number)
BINARY(MulOp, Number)
BINARY(DivOp, Number)
BINARY(MaxOp, Number)
BINARY(MinOp, Number)
BINARY(ModOp, Number)
BINARY(PreluOp, Number)
BINARY(AndOp, Bool)
BINARY(OrOp, Bool)
BINARY(XorOp, Bool)
BINARY(BitwiseAndOp, Integer)
BINARY(BitwiseOrOp, Integer)
BINARY(BitwiseXorOp, Integer)
BINARY(BitShiftOp, Integer)
COMPARISON(EqualOp, Any)
COMPARISON(LessOp, Number)
COMPARISON(LessOrEqualOp, Number)
COMPARISON(GreaterOp, Number)
COMPARISON(GreaterOrEqualOp, Number)

LogicalResult PowOp::inferReturnTypes(MLIRContext *, Where where, Adaptor op, Types &types) {
  if (failed(checkElements(where, op.getLhs(), Elements::Number)) || failed(checkElements(where, op.getRhs(), Elements::Number)))
    return failure();
  return inferBroadcast(where, {op.getLhs(), op.getRhs()}, elementOf(op.getLhs()), types);
}

LogicalResult CastOp::inferReturnTypes(MLIRContext *, Where where, Adaptor op, Types &types) {
  auto convertible = [](Type element) { return isa<IntegerType, FloatType, quant::QuantizedType>(element); };
  if (!convertible(elementOf(op.getInput())) || !convertible(op.getTo()))
    return refuse(where, "cannot convert ", elementOf(op.getInput()), " to ", op.getTo());
  types.push_back(withElement(cast<RankedTensorType>(op.getInput().getType()), op.getTo()));
  return success();
}

static bool isByte(Type element) { return isa<IntegerType>(element) && element.getIntOrFloatBitWidth() == 8; }

LogicalResult QuantizeOp::inferReturnTypes(MLIRContext *, Where where, Adaptor op, Types &types) {
  if (!elementOf(op.getInput()).isF32() || !isByte(op.getTo()))
    return refuse(where, "expected f32 to become an integer of 8 bits, found ", elementOf(op.getInput()), " and ", op.getTo());
  int64_t low = op.getTo().isUnsignedInteger() ? 0 : -128, zeroPoint = op.getZeroPoint();
  if (zeroPoint < low || zeroPoint > low + 255)
    return refuse(where, "expected a zero point of ", low, " to ", low + 255, ", found ", zeroPoint);
  types.push_back(withElement(cast<RankedTensorType>(op.getInput().getType()), op.getTo()));
  return success();
}

LogicalResult LookupOp::inferReturnTypes(MLIRContext *, Where where, Adaptor op, Types &types) {
  ShapedType table = op.getTable().getShapedType();
  if (!isByte(elementOf(op.getInput())) || !isByte(table.getElementType()) || !table.hasStaticShape() || table.getRank() != 1 || table.getDimSize(0) != 256)
    return refuse(where, "expected an input of 8-bit integers and a table of 256 of them, found ", elementOf(op.getInput()), " and ", table);
  types.push_back(withElement(cast<RankedTensorType>(op.getInput().getType()), table.getElementType()));
  return success();
}

LogicalResult BitcastOp::inferReturnTypes(MLIRContext *, Where where, Adaptor op, Types &types) {
  auto width = [](Type element) { return element.isInteger(1) ? 8u : element.getIntOrFloatBitWidth(); };
  Type from = elementOf(op.getInput()), to = op.getTo();
  if (!from.isIntOrFloat() || !to.isIntOrFloat() || width(from) != width(to))
    return refuse(where, "cannot read the bits of ", from, " as ", to, ": expected two types of one width");
  types.push_back(withElement(cast<RankedTensorType>(op.getInput().getType()), to));
  return success();
}

LogicalResult SelectOp::inferReturnTypes(MLIRContext *, Where where, Adaptor op, Types &types) {
  if (failed(checkElements(where, op.getCondition(), Elements::Bool)) || failed(checkSameElements(where, op.getOnTrue(), op.getOnFalse())))
    return failure();
  return inferBroadcast(where, {op.getCondition(), op.getOnTrue(), op.getOnFalse()}, elementOf(op.getOnTrue()), types);
}

} // namespace tenon::nn
