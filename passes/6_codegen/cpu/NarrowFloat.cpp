#include "passes/6_codegen/cpu/NarrowFloat.h"

namespace tenon::cpu {
using namespace mlir;

namespace {
using arith::CmpIPredicate;

/// The layout of a signed format; the names of OCP's 8-bit floating point specification.
struct Format {
  int exponent, mantissa; // bits
  int bias;
  int largest;   // bits of the largest finite number
  int infinity;  // what is too large without saturation; the largest number where there is nothing else
  int nan;       // 0 where the format has none
  bool unsignedZero; // there is no -0: its bits are the NaN

  int signBit() const { return 1 << (exponent + mantissa); }

  static Format of(Type type) {
    return llvm::TypeSwitch<Type, Format>(type)
        .Case<Float8E4M3FNType>([](Type) { return Format{4, 3, 7, 0x7e, 0x7f, 0x7f, false}; })
        .Case<Float8E4M3FNUZType>([](Type) { return Format{4, 3, 8, 0x7f, 0x80, 0x80, true}; })
        .Case<Float8E5M2Type>([](Type) { return Format{5, 2, 15, 0x7b, 0x7c, 0x7e, false}; })
        .Case<Float8E5M2FNUZType>([](Type) { return Format{5, 2, 16, 0x7f, 0x80, 0x80, true}; })
        .Case<Float4E2M1FNType>([](Type) { return Format{2, 1, 1, 7, 7, 0, false}; });
  }
};

/// The bits of |x|, nearest even, which exceed `largest` where x does. As floatToHalf in Convert.cpp.
Value roundedMagnitude(Registers r, Value magnitude, const Format &f) {
  Type i32 = magnitude.getType();
  int dropped = 23 - f.mantissa;
  // Adding a number whose last place is the smallest subnormal makes the hardware round to it.
  Value aligned = r.c(std::ldexp(1.0, 1 - f.bias - f.mantissa + 23), r.asFloat(magnitude));
  Value subnormal = r.subi(r.bits(r.add(r.asFloat(magnitude), aligned)), r.bits(aligned));
  Value odd = r.andi(r.shr(magnitude, dropped), r.integer(1, i32));
  Value rebias = r.addi(r.addi(magnitude, r.integer(int64_t(f.bias - 127) * (1 << 23) + (1 << (dropped - 1)) - 1, i32)), odd);
  Value isSmall = r.cmp(CmpIPredicate::ult, magnitude, r.integer(int64_t(128 - f.bias) << 23, i32));
  return r.select(isSmall, subnormal, r.shr(rebias, dropped));
}

Value encodeSigned(Registers r, Value x, const Format &f, bool saturate) {
  Type i32 = r.like(x, r.b.ops().getI32Type());
  Value all = r.bits(x);
  Value magnitude = r.andi(all, r.integer(0x7fffffff, i32));
  Value isNan = r.cmp(CmpIPredicate::ugt, magnitude, r.integer(0x7f800000, i32));
  Value code = roundedMagnitude(r, magnitude, f);
  Value isLarge = r.cmp(CmpIPredicate::sgt, code, r.integer(f.largest, i32));
  code = r.select(isLarge, r.integer(saturate ? f.largest : f.infinity, i32), code);
  code = r.select(isNan, r.integer(f.nan, i32), code);
  Value sign = r.muli(r.shr(all, 31), r.integer(f.signBit(), i32));
  if (f.unsignedZero) { // 0 and NaN have one form each
    Value hasNoSign = r.ori(r.cmp(CmpIPredicate::eq, code, r.integer(0, i32)), r.cmp(CmpIPredicate::eq, code, r.integer(f.nan, i32)));
    sign = r.select(hasNoSign, r.integer(0, i32), sign);
  }
  return r.truncate(r.ori(code, sign), r.like(x, r.b.ops().getI8Type()));
}

Value decodeSigned(Registers r, Value bits, const Format &f) {
  Type i32 = r.like(bits, r.b.ops().getI32Type());
  Value code = r.zext(bits, i32);
  Value magnitude = r.andi(code, r.integer(f.signBit() - 1, i32));
  // As in halfToFloat: scaling rebases the exponent of normal and subnormal numbers alike.
  Value unscaled = r.asFloat(r.shl(magnitude, 23 - f.mantissa));
  Value scaled = r.bits(r.mul(unscaled, r.c(std::ldexp(1.0, 127 - f.bias), unscaled)));
  Value quiet = r.integer(0x7fc00000, i32);
  if (f.nan && !f.unsignedZero)
    scaled = r.select(r.cmp(CmpIPredicate::ugt, magnitude, r.integer(f.largest, i32)), quiet, scaled);
  if (f.nan && f.infinity != f.nan)
    scaled = r.select(r.cmp(CmpIPredicate::eq, magnitude, r.integer(f.infinity, i32)), r.integer(0x7f800000, i32), scaled);
  Value sign = r.shl(r.andi(code, r.integer(f.signBit(), i32)), 31 - (f.exponent + f.mantissa));
  Value number = r.ori(scaled, sign);
  if (f.unsignedZero)
    number = r.select(r.cmp(CmpIPredicate::eq, code, r.integer(f.nan, i32)), quiet, number);
  return r.asFloat(number);
}

/// f8e8m0 is the exponent of an f32: 2^(bits - 127), NaN where all bits are set; the sign is lost. Rounds as ONNX's Cast.
Value encodeExponent(Registers r, Value x, Narrowing how) {
  Type i32 = r.like(x, r.b.ops().getI32Type());
  Value magnitude = r.andi(r.bits(x), r.integer(0x7fffffff, i32));
  Value exponent = r.shr(magnitude, 23), fraction = r.andi(magnitude, r.integer(0x7fffff, i32));
  Value zero = r.integer(0, i32), isFinite = r.cmp(CmpIPredicate::ult, exponent, r.integer(255, i32));
  if (how.rounding != nn::RoundMode::Down) {
    Value up = r.cmp(CmpIPredicate::ugt, fraction, zero);
    if (how.rounding == nn::RoundMode::Nearest) { // a half goes up, but for the smallest exponent
      Value half = r.integer(0x400000, i32), isNormal = r.cmp(CmpIPredicate::ugt, exponent, zero);
      Value tie = r.andi(r.cmp(CmpIPredicate::eq, fraction, half), isNormal);
      up = r.ori(r.cmp(CmpIPredicate::ugt, fraction, half), tie);
    }
    up = r.andi(up, isFinite);
    if (how.saturate)
      up = r.andi(up, r.cmp(CmpIPredicate::ult, exponent, r.integer(254, i32)));
    exponent = r.addi(exponent, r.zext(up, i32));
  }
  return r.truncate(exponent, r.like(x, r.b.ops().getI8Type()));
}

Value decodeExponent(Registers r, Value bits) {
  Type i32 = r.like(bits, r.b.ops().getI32Type());
  Value code = r.zext(bits, i32);
  Value smallest = r.select(r.cmp(CmpIPredicate::eq, code, r.integer(0, i32)), r.integer(0x00400000, i32), r.shl(code, 23));
  return r.asFloat(r.select(r.cmp(CmpIPredicate::eq, code, r.integer(255, i32)), r.integer(0x7fc00000, i32), smallest));
}
} // namespace

bool isNarrowFloat(Type element) { return isa<FloatType>(element) && element.getIntOrFloatBitWidth() <= 8; }

Value encodeNarrow(Registers r, Value x, Type element, Narrowing how) {
  return isa<Float8E8M0FNUType>(element) ? encodeExponent(r, x, how) : encodeSigned(r, x, Format::of(element), how.saturate);
}

Value decodeNarrow(Registers r, Value bits, Type element) {
  return isa<Float8E8M0FNUType>(element) ? decodeExponent(r, bits) : decodeSigned(r, bits, Format::of(element));
}

Value roundToOdd(Registers r, Value x) {
  auto &ops = r.b.ops();
  Value nearest = arith::TruncFOp::create(ops, r.like(x, ops.getF32Type()), x);
  Value back = arith::ExtFOp::create(ops, x.getType(), nearest);
  Type i32 = r.like(x, ops.getI32Type());
  Value bits = r.bits(nearest), isLarger = r.cmp(arith::CmpFPredicate::OGT, r.abs(back), r.abs(x));
  Value truncated = r.subi(bits, r.zext(isLarger, i32));
  Value isInexact = r.cmp(arith::CmpFPredicate::ONE, back, x);
  return r.asFloat(r.ori(truncated, r.zext(isInexact, i32)));
}

} // namespace tenon::cpu
