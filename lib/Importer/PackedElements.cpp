#include "lib/Importer/PackedElements.h"

namespace tenon::importer {
using namespace mlir;
using nn::Dim;

bool isPacked(Type element) { return element.getIntOrFloatBitWidth() < 8 && !element.isInteger(1); }

static int64_t perByte(Type element) { return 8 / element.getIntOrFloatBitWidth(); }

RankedTensorType bytesOf(RankedTensorType packed) {
  Type byte = IntegerType::get(packed.getContext(), 8, IntegerType::Unsigned);
  return nn::tensorOf(nn::numElements(packed).ceilDiv(perByte(packed.getElementType())), byte);
}

/// How far the elements of one byte are shifted in it.
static Value shifts(OpBuilder &builder, Location location, Type element) {
  SmallVector<APInt> positions;
  for (int64_t i = 0; i < perByte(element); ++i)
    positions.push_back(APInt(8, i * element.getIntOrFloatBitWidth()));
  auto type = RankedTensorType::get({perByte(element)}, builder.getIntegerType(8, /*isSigned=*/false));
  return nn::ConstantOp::create(builder, location, DenseElementsAttr::get(type, positions));
}

Value unpack(OpBuilder &builder, Location location, Value bytes, RankedTensorType type) {
  MLIRContext *context = type.getContext();
  Type element = type.getElementType();
  Dim count = nn::numElements(type), size = nn::dimOf(bytes.getType(), 0), one = Dim::constant(context, 1), each = Dim::constant(context, perByte(element));
  Value column = nn::ReshapeOp::create(builder, location, bytes, nn::dimsAttr(context, {size, one}));
  Value parts = nn::BitShiftOp::create(builder, location, column, shifts(builder, location, element), /*left=*/UnitAttr());
  Value flat = nn::ReshapeOp::create(builder, location, parts, nn::dimsAttr(context, {size * each}));
  if (size * each != count)
    flat = nn::SliceOp::create(builder, location, flat, nn::dimsAttr(context, {Dim::constant(context, 0)}), nn::dimsAttr(context, {count}),
                               builder.getDenseI64ArrayAttr({1}));
  Value shaped = nn::ReshapeOp::create(builder, location, flat, nn::dimsAttr(context, nn::dimsOf(type)));
  // A conversion to a narrower integer keeps the low bits.
  bool isFloat = isa<FloatType>(element);
  Value narrow = nn::CastOp::create(builder, location, shaped, isFloat ? builder.getIntegerType(element.getIntOrFloatBitWidth(), false) : element);
  return isFloat ? nn::BitcastOp::create(builder, location, narrow, element).getResult() : narrow;
}

Value pack(OpBuilder &builder, Location location, Value elements) {
  auto type = cast<RankedTensorType>(elements.getType());
  MLIRContext *context = type.getContext();
  Type element = type.getElementType(), bits = builder.getIntegerType(element.getIntOrFloatBitWidth(), /*isSigned=*/false);
  Dim count = nn::numElements(type), size = nn::dimOf(bytesOf(type), 0), each = Dim::constant(context, perByte(element));
  if (element != bits)
    elements = isa<FloatType>(element) ? nn::BitcastOp::create(builder, location, elements, bits).getResult()
                                       : nn::CastOp::create(builder, location, elements, bits).getResult();
  Value wide = nn::CastOp::create(builder, location, elements, builder.getIntegerType(8, false));
  Value flat = nn::ReshapeOp::create(builder, location, wide, nn::dimsAttr(context, {count}));
  Dim missing = size * each - count;
  if (!missing.isConstant(0)) {
    Value zero = nn::ConstantOp::create(builder, location, DenseElementsAttr::get(RankedTensorType::get({}, builder.getIntegerType(8, false)), APInt(8, 0)));
    flat = nn::PadOp::create(builder, location, flat, zero, nn::dimsAttr(context, {Dim::constant(context, 0)}), nn::dimsAttr(context, {missing}),
                             nn::PadMode::Constant);
  }
  Value rows = nn::ReshapeOp::create(builder, location, flat, nn::dimsAttr(context, {size, each}));
  Value placed = nn::BitShiftOp::create(builder, location, rows, shifts(builder, location, element), builder.getUnitAttr());
  // No two have a bit in common: their sum is their union.
  return nn::ReduceOp::create(builder, location, placed, nn::ReduceKind::Sum, builder.getDenseI64ArrayAttr({1}), /*keep_dims=*/false);
}

} // namespace tenon::importer
