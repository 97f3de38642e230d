// Conversions between element types, by nn.cast's rules and without a library call on any target.
#include "dialects/kernel/ProductMarks.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "passes/6_codegen/cpu/NarrowFloat.h"

namespace tenon::cpu {
using namespace mlir;

namespace {
/// IEEE half, as 16 bits, to float. Scaling by 2^112 rebases the exponent of normal and subnormal numbers alike.
Value halfToFloat(Registers r, Value half) {
  Type i32 = r.like(half, r.b.ops().getI32Type());
  Value bits = r.zext(r.bits(half), i32);
  Value sign = r.shl(r.andi(bits, r.integer(0x8000, i32)), 16);
  Value magnitude = r.shl(r.andi(bits, r.integer(0x7fff, i32)), 13);
  Value scaled = r.bits(r.mul(r.asFloat(magnitude), r.c(0x1p112, r.asFloat(magnitude))));
  Value special = r.cmp(arith::CmpIPredicate::uge, magnitude, r.integer(0x0f800000, i32));
  Value exponent = r.select(special, r.integer(0x7f800000, i32), r.integer(0, i32));
  return r.asFloat(r.ori(r.ori(scaled, exponent), sign));
}

/// Float to IEEE half, nearest even.
Value floatToHalf(Registers r, Value x) {
  Type i32 = r.like(x, r.b.ops().getI32Type());
  Value all = r.bits(x);
  Value magnitude = r.andi(all, r.integer(0x7fffffff, i32));
  Value sign = r.shr(r.andi(all, r.integer(0x80000000, i32)), 16);
  Value isNan = r.cmp(arith::CmpIPredicate::ugt, magnitude, r.integer(0x7f800000, i32));
  Value overflow = r.select(isNan, r.integer(0x7e00, i32), r.integer(0x7c00, i32));
  // Adding 0.5 aligns the last kept bit of a subnormal with the last bit of the sum: the hardware rounds.
  Value half = r.c(0.5, x);
  Value subnormal = r.subi(r.bits(r.add(r.asFloat(magnitude), half)), r.bits(half));
  Value odd = r.andi(r.shr(magnitude, 13), r.integer(1, i32));
  Value rebias = r.addi(r.addi(magnitude, r.integer(((15 - 127) * (1 << 23)) + 0xfff, i32)), odd);
  Value normal = r.shr(rebias, 13);
  Value small = r.cmp(arith::CmpIPredicate::ult, magnitude, r.integer(0x38800000, i32));
  Value large = r.cmp(arith::CmpIPredicate::uge, magnitude, r.integer(0x47800000, i32));
  Value result = r.select(large, overflow, r.select(small, subnormal, normal));
  Value narrow = r.truncate(r.ori(result, sign), r.like(x, r.b.ops().getI16Type()));
  return r.bitcast(narrow, r.like(x, r.b.ops().getF16Type()));
}

Value bfloatToFloat(Registers r, Value x) {
  Type i32 = r.like(x, r.b.ops().getI32Type());
  return r.asFloat(r.shl(r.zext(r.bits(x), i32), 16));
}

/// Float to bfloat16, nearest even; a NaN stays one.
Value floatToBfloat(Registers r, Value x) {
  Type i32 = r.like(x, r.b.ops().getI32Type());
  Value bits = r.bits(x);
  Value odd = r.andi(r.shr(bits, 16), r.integer(1, i32));
  Value rounded = r.addi(r.addi(bits, r.integer(0x7fff, i32)), odd);
  Value quiet = r.ori(bits, r.integer(0x00400000, i32));
  Value isNan = r.cmp(arith::CmpFPredicate::UNO, x, x);
  Value narrow = r.truncate(r.shr(r.select(isNan, quiet, rounded), 16), r.like(x, r.b.ops().getI16Type()));
  return r.bitcast(narrow, r.like(x, r.b.ops().getBF16Type()));
}

/// Whether what this kernel rounds to bf16 is multiplied, where subnormals are 0 anyway: then the instruction may do it, which takes them so.
bool roundsFactors(KernelBuilder &b) {
  auto body = dyn_cast<func::FuncOp>(b.ops().getInsertionBlock()->getParentOp());
  if (!body)
    body = b.ops().getInsertionBlock()->getParentOp()->getParentOfType<func::FuncOp>();
  return b.target().bf16 && body && body->hasAttr(kernel::kBf16PairsAttr);
}

/// f16 and bf16 pass through f32; that is also where the other conversions start from.
Value widen(Registers r, Value v) {
  Type element = getElementTypeOrSelf(v);
  if (element.isBF16())
    return bfloatToFloat(r, v);
  if (!element.isF16())
    return v;
  if (r.b.target().f16c)
    return arith::ExtFOp::create(r.b.ops(), r.like(v, r.b.ops().getF32Type()), v);
  return halfToFloat(r, v);
}

Value toFloat(Registers r, Value v, Type element, bool fromUnsigned) {
  ImplicitLocOpBuilder &builder = r.b.ops();
  Type wide = r.like(v, element.getIntOrFloatBitWidth() < 32 ? builder.getF32Type() : element);
  Type from = getElementTypeOrSelf(v);
  if (isa<IntegerType>(from))
    v = fromUnsigned || from.isInteger(1) ? arith::UIToFPOp::create(builder, wide, v).getResult()
                                          : arith::SIToFPOp::create(builder, wide, v).getResult();
  else if (from.getIntOrFloatBitWidth() > getElementTypeOrSelf(wide).getIntOrFloatBitWidth())
    v = arith::TruncFOp::create(builder, wide, v);
  else if (from.getIntOrFloatBitWidth() < getElementTypeOrSelf(wide).getIntOrFloatBitWidth())
    v = arith::ExtFOp::create(builder, wide, v);
  if (element.isBF16())
    return roundsFactors(r.b) ? arith::TruncFOp::create(builder, r.like(v, element), v).getResult() : floatToBfloat(r, v);
  if (!element.isF16())
    return v;
  return r.b.target().f16c ? arith::TruncFOp::create(builder, r.like(v, element), v).getResult() : floatToHalf(r, v);
}

/// Saturates; NaN gives 0. Below 8 bits the low bits of that as i32, as ONNX's reference has it.
Value toInteger(Registers r, Value v, IntegerType element, bool fromUnsigned, bool toUnsigned) {
  ImplicitLocOpBuilder &builder = r.b.ops();
  Type to = r.like(v, element);
  auto from = dyn_cast<IntegerType>(getElementTypeOrSelf(v));
  if (!from && element.getWidth() < 8)
    return r.truncate(toInteger(r, v, builder.getI32Type(), false, false), to);
  if (!from) {
    auto name = builder.getStringAttr(toUnsigned ? "llvm.fptoui.sat" : "llvm.fptosi.sat");
    return LLVM::CallIntrinsicOp::create(builder, to, name, ValueRange{v})->getResult(0);
  }
  if (from.getWidth() > element.getWidth())
    return arith::TruncIOp::create(builder, to, v);
  if (from.getWidth() == element.getWidth())
    return v;
  return fromUnsigned || from.getWidth() == 1 ? arith::ExtUIOp::create(builder, to, v).getResult()
                                              : arith::ExtSIOp::create(builder, to, v).getResult();
}
} // namespace

Value KernelBuilder::convert(Value v, Type element, bool fromUnsigned, bool toUnsigned) {
  element = isNarrowFloat(element) ? builder.getF32Type() : signless(element); // what they are in registers
  Type from = getElementTypeOrSelf(v);
  if (from == element)
    return v;
  Registers r{*this};
  v = widen(r, v);
  if (element.isInteger(1)) {
    if (isa<FloatType>(getElementTypeOrSelf(v)))
      return r.cmp(arith::CmpFPredicate::UNE, v, r.c(0, v));
    return r.cmp(arith::CmpIPredicate::ne, v, r.integer(0, v.getType()));
  }
  if (auto integer = dyn_cast<IntegerType>(element))
    return toInteger(r, v, integer, fromUnsigned, toUnsigned);
  return toFloat(r, v, element, fromUnsigned);
}

} // namespace tenon::cpu
