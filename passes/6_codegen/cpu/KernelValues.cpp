// Constants, lanes, fused multiply-add, reductions.
#include "passes/6_codegen/cpu/KernelBuilder.h"

namespace tenon::cpu {
using namespace mlir;

static TypedAttr splatAttr(Type like, Attribute scalar) {
  auto vector = dyn_cast<VectorType>(like);
  return vector ? TypedAttr(DenseElementsAttr::get(vector, scalar)) : cast<TypedAttr>(scalar);
}

Value KernelBuilder::constant(double v, Type like) {
  Type element = getElementTypeOrSelf(like);
  if (!isa<FloatType>(element))
    return integer(int64_t(v), like);
  return attributeConstant(splatAttr(like, builder.getFloatAttr(element, v)));
}

Value KernelBuilder::integer(int64_t v, Type like) {
  auto type = cast<IntegerType>(getElementTypeOrSelf(like));
  APInt bits = APInt(64, v, /*isSigned=*/true).sextOrTrunc(type.getWidth());
  return attributeConstant(splatAttr(like, IntegerAttr::get(type, bits)));
}

Value KernelBuilder::splat(Value scalar, int lanes) {
  if (isa<VectorType>(scalar.getType()))
    return scalar;
  auto type = VectorType::get({lanes}, scalar.getType());
  Attribute known;
  if (matchPattern(scalar, m_Constant(&known)))
    return attributeConstant(DenseElementsAttr::get(type, known));
  return vector::BroadcastOp::create(builder, type, scalar);
}

Value KernelBuilder::insertLane(Value vector, Value scalar, int lane) {
  return LLVM::InsertElementOp::create(builder, vector, scalar, attributeConstant(builder.getI32IntegerAttr(lane)));
}

Value KernelBuilder::extractLane(Value vector, int lane) {
  return LLVM::ExtractElementOp::create(builder, vector, attributeConstant(builder.getI32IntegerAttr(lane)));
}

Value KernelBuilder::fma(Value a, Value b, Value c) {
  if (machine.fma)
    return LLVM::FMAOp::create(builder, a, b, c);
  return arith::AddFOp::create(builder, arith::MulFOp::create(builder, a, b), c);
}

Value KernelBuilder::reduce(Value vector, vector::CombiningKind kind) {
  if (!isa<VectorType>(vector.getType()))
    return vector;
  // Without reassociation a float sum is one addition after the other.
  return vector::ReductionOp::create(builder, kind, vector, arith::FastMathFlags::reassoc);
}

Value KernelBuilder::reduceAdd(Value vector) { return reduce(vector, vector::CombiningKind::ADD); }

Value KernelBuilder::reduceMax(Value vector, bool isUnsigned) {
  bool isFloat = isa<FloatType>(getElementTypeOrSelf(vector));
  return reduce(vector, isFloat      ? vector::CombiningKind::MAXIMUMF
                        : isUnsigned ? vector::CombiningKind::MAXUI
                                     : vector::CombiningKind::MAXSI);
}

Value KernelBuilder::reduceMin(Value vector, bool isUnsigned) {
  bool isFloat = isa<FloatType>(getElementTypeOrSelf(vector));
  return reduce(vector, isFloat      ? vector::CombiningKind::MINIMUMF
                        : isUnsigned ? vector::CombiningKind::MINUI
                                     : vector::CombiningKind::MINSI);
}

} // namespace tenon::cpu
