// Exponentials and logarithms, by range reduction to a power of two and a polynomial (Muller, Elementary Functions, ch. 11).
#include "passes/6_codegen/cpu/FloatFormat.h"
#include "passes/6_codegen/cpu/VectorMath.h"

namespace tenon::cpu {
using namespace mlir;

namespace {
// e^f = 1 + f * q(f) on |f| <= log(2) / 2. Relative errors 9.1e-08, 2.0e-09, 3.5e-18.
constexpr double kExpQuick[] = {9.999997020e-01, 4.999915063e-01, 1.666763574e-01, 4.189793020e-02, 8.290310390e-03};
constexpr double kExp[] = {1.000000000e+00, 4.999999404e-01, 1.666643173e-01, 4.166800156e-02, 8.374155499e-03, 1.384365140e-03};
constexpr double kExpDouble[] = {1.00000000000000000e+00, 5.00000000000001221e-01, 1.66666666666662161e-01, 4.16666666665178806e-02,
                                 8.33333333355011641e-03, 1.38888889463335092e-03, 1.98412694356690171e-04, 2.48014906613593295e-05,
                                 2.75576279237555712e-06, 2.76310235494266988e-07, 2.49909701275692290e-08};
// 2^f = 1 + f * q(f) on |f| <= 1/2. Relative error 2.0e-09.
constexpr double kExp2[] = {6.931471825e-01, 2.402264774e-01, 5.550332367e-02, 9.618436918e-03, 1.339887502e-03, 1.535335905e-04};
// log(1+f) = f - f^2/2 + f^3 P(f) for 1+f in [sqrt(1/2), sqrt(2)]. Relative error 7.5e-10.
constexpr double kLog[] = {3.333331347e-01,  -2.500000894e-01, 2.000211924e-01,  -1.666799486e-01, 1.421954930e-01,
                           -1.240559444e-01, 1.188819036e-01,  -1.167562827e-01, 6.746552140e-02};
// log(1+f) = 2 s + s z R(z), s = f / (2+f), z = s^2. Relative error 1.2e-18.
constexpr double kLogDouble[] = {6.66666666666673402e-01, 3.99999999994144984e-01, 2.85714287424300606e-01, 2.22221985685437273e-01,
                                 1.81835645816958741e-01, 1.53140436549795395e-01, 1.47960222089017768e-01};

constexpr double kLog2e = 1.4426950408889634;
constexpr double kLn2 = 0.6931471805599453;

/// log(2) in two parts; an exponent times the first is exact.
std::pair<double, double> ln2Parts(const FloatFormat &format) {
  if (format.isDouble)
    return {6.93147180369123816490e-01, 1.90821492927058770002e-10};
  return {0.693359375, -2.12194440054690583e-4};
}

/// x = n * log(2) + f: f, and n as an integer-valued float.
std::pair<Value, Value> reduce(Registers r, Value x) {
  FloatFormat format = FloatFormat::of(x);
  auto [high, low] = ln2Parts(format);
  Value n = r.sub(r.fma(x, r.c(kLog2e, x), format.magic), format.magic);
  Value f = r.fma(n, -high, x);
  return {r.fma(n, -low, f), n};
}

/// 2^n for an integer-valued n whose result is a normal number.
Value powerOfTwo(Registers r, Value n) {
  FloatFormat format = FloatFormat::of(n);
  Value bits = r.bits(r.add(n, format.magic));
  return r.asFloat(r.addi(r.shl(bits, format.mantissa), r.integer(format.one, bits.getType())));
}

/// p * 2^n in two exact steps, so that neither factor overflows where the result does not; rounds once, where it is subnormal.
Value scale(Registers r, Value p, Value n) {
  FloatFormat format = FloatFormat::of(n);
  Value half = r.sub(r.fma(n, r.c(0.5, n), format.magic), format.magic);
  return r.mul(r.mul(p, powerOfTwo(r, half)), powerOfTwo(r, r.sub(n, half)));
}

/// The arguments beyond which e^x is 0 or infinite for certain.
Value clampExponent(Registers r, Value x) {
  return FloatFormat::of(x).isDouble ? r.clamp(x, -746, 710) : r.clamp(x, -104, 89);
}

ArrayRef<double> expCoefficients(Value x) { return FloatFormat::of(x).isDouble ? ArrayRef<double>(kExpDouble) : ArrayRef<double>(kExp); }
} // namespace

Value emitExp(KernelBuilder &b, Value x) {
  Registers r{b};
  auto [f, n] = reduce(r, clampExponent(r, x));
  return scale(r, r.fma(f, r.polynomial(f, expCoefficients(x)), 1.0), n);
}

Value emitExpNegative(KernelBuilder &b, Value x) {
  Registers r{b};
  if (FloatFormat::of(x).isDouble)
    return emitExp(b, x);
  if (b.target().isGpu())
    return r.unitExp2(r.mul(x, kLog2e));
  constexpr double kLowest = -87.33; // e^x is a normal number down to here
  auto [f, n] = reduce(r, r.atLeast(x, r.c(kLowest, x)));
  Value p = r.fma(f, r.polynomial(f, kExpQuick), 1.0);
  Value bits = r.bits(r.add(n, FloatFormat::of(x).magic));
  Value result = r.asFloat(r.addi(r.bits(p), r.shl(bits, 23)));
  return r.select(r.cmp(arith::CmpFPredicate::OLT, x, r.c(kLowest, x)), r.c(0, x), result);
}

Value emitExp2(KernelBuilder &b, Value x) {
  Registers r{b};
  FloatFormat format = FloatFormat::of(x);
  Value limited = format.isDouble ? r.clamp(x, -1076, 1025) : r.clamp(x, -151, 129);
  Value n = r.sub(r.add(limited, format.magic), format.magic);
  Value f = r.sub(limited, n);
  if (!format.isDouble)
    return scale(r, r.fma(f, r.polynomial(f, kExp2), 1.0), n);
  f = r.mul(f, kLn2);
  return scale(r, r.fma(f, r.polynomial(f, kExpDouble), 1.0), n);
}

/// e^x - 1 where e^x is a finite normal number.
static Value expm1Finite(Registers r, Value x) {
  // 2^n (1 + f q) - 1 = 2^n f q + (2^n - 1): nothing cancels near 0.
  auto [f, n] = reduce(r, x);
  Value q = r.mul(f, r.polynomial(f, expCoefficients(x)));
  // 2^(n-1) is finite where 2^n is not.
  Value s = powerOfTwo(r, r.sub(n, 1.0));
  Value sum = r.fma(q, s, r.sub(s, 0.5));
  return r.add(sum, sum);
}

Value emitExpm1(KernelBuilder &b, Value x) {
  Registers r{b};
  Value limited = FloatFormat::of(x).isDouble ? r.clamp(x, -700, 709) : r.clamp(x, -80, 88);
  Value above = r.cmp(arith::CmpFPredicate::OGT, x, limited);
  return r.select(above, emitExp(b, x), expm1Finite(r, limited));
}

Value emitExpm1Negative(KernelBuilder &b, Value x) {
  Registers r{b};
  return expm1Finite(r, r.atLeast(x, r.c(FloatFormat::of(x).isDouble ? -700 : -80, x)));
}

namespace {
/// log of a positive number that is not subnormal, plus `exponent` * log(2).
Value logOfNormal(Registers r, Value x, Value exponent) {
  FloatFormat format = FloatFormat::of(x);
  Value bits = r.bits(x);
  Type type = bits.getType();
  // x = m * 2^e with m in [sqrt(1/2), sqrt(2)).
  Value shifted = r.addi(bits, r.integer(format.one - format.sqrtHalf, type));
  Value biased = r.ori(r.shr(shifted, format.mantissa), r.integer((format.bias + format.mantissa) << format.mantissa, type));
  Value e = r.add(r.sub(r.asFloat(biased), std::ldexp(1.0, format.mantissa) + format.bias), exponent);
  Value m = r.asFloat(r.addi(r.andi(shifted, r.integer(format.fraction, type)), r.integer(format.sqrtHalf, type)));
  Value f = r.sub(m, 1.0);
  auto [high, low] = ln2Parts(format);
  if (!format.isDouble) {
    Value square = r.mul(f, f);
    Value y = r.mul(r.mul(f, square), r.polynomial(f, kLog));
    y = r.fma(e, low, y);
    y = r.fma(square, -0.5, y);
    return r.fma(e, high, r.add(f, y));
  }
  Value s = r.div(f, r.add(f, 2.0)), z = r.mul(s, s);
  Value halfSquare = r.mul(r.mul(f, f), 0.5);
  Value tail = r.fma(s, r.fma(z, r.polynomial(z, kLogDouble), halfSquare), r.mul(e, low));
  return r.fma(e, high, r.sub(f, r.sub(halfSquare, tail)));
}
} // namespace

Value emitLog(KernelBuilder &b, Value x) {
  Registers r{b};
  FloatFormat format = FloatFormat::of(x);
  double smallest = format.isDouble ? 0x1p-1022 : 0x1p-126;
  int shift = format.mantissa + 1;
  Value subnormal = r.cmp(arith::CmpFPredicate::OLT, x, r.c(smallest, x));
  Value normal = r.select(subnormal, r.mul(x, std::ldexp(1.0, shift)), x);
  Value exponent = r.select(subnormal, r.c(-shift, x), r.c(0, x));
  Value result = logOfNormal(r, normal, exponent);
  Value infinity = r.c(format.infinity, x);
  result = r.select(r.cmp(arith::CmpFPredicate::OEQ, x, infinity), x, result);
  Value nan = r.c(std::numeric_limits<double>::quiet_NaN(), x);
  Value atZero = r.select(r.cmp(arith::CmpFPredicate::OEQ, x, r.c(0, x)), r.neg(infinity), nan);
  return r.select(r.cmp(arith::CmpFPredicate::OGT, x, r.c(0, x)), result, atZero);
}

Value emitLog1p(KernelBuilder &b, Value x) {
  // Kahan: log(1 + u) * u / ((1 + u) - 1) undoes the rounding of 1 + u.
  Registers r{b};
  return inDouble(r, x, [&](Value u) {
    Value sum = r.add(u, 1.0), kept = r.sub(sum, 1.0);
    Value log = emitLog(b, sum);
    Value result = r.mul(log, r.div(u, kept));
    result = r.select(r.cmp(arith::CmpFPredicate::OEQ, kept, r.c(0, kept)), u, result);
    // At -1 and infinity the quotient says nothing.
    Value infinite = r.cmp(arith::CmpFPredicate::OEQ, r.abs(log), r.c(std::numeric_limits<double>::infinity(), log));
    return r.select(infinite, log, result);
  });
}

} // namespace tenon::cpu
