// tanh, erf and the activation functions made of them.
#include "passes/6_codegen/cpu/FloatFormat.h"
#include "passes/6_codegen/cpu/VectorMath.h"

namespace tenon::cpu {
using namespace mlir;

namespace {
// tanh(x) = x P(x^2) / Q(x^2) for |x| <= 9.02, where f32 has reached 1. Relative error 6.8e-09.
constexpr double kTanhTop[] = {1.000000000e+00,  1.308318526e-01, 3.103033407e-03, 1.114457973e-05,
                               -2.018520107e-08, 5.258326413e-11, -8.437322970e-14};
constexpr double kTanhBottom[] = {1.000000000e+00, 4.641651213e-01, 2.449150942e-02, 2.544797026e-04};
constexpr double kTanhEnd = 9.02;
// tanh(x) = x + x^3 P(x^2) for |x| <= 0.6. Relative error 1.1e-16.
constexpr double kTanhDouble[] = {-3.33333333333283910e-01, 1.33333333326567827e-01, -5.39682536473982816e-02, 2.18694809882051047e-02,
                                  -8.86313319859716869e-03, 3.59126567387668986e-03, -1.45114937377135945e-03, 5.73472932828536421e-04,
                                  -2.01736111433232455e-04, 4.55261031936830612e-05};
// erf(x) = x P(x^2) / Q(x^2) for |x| <= 3.95, where f32 has reached 1. Relative error 1.9e-09.
constexpr double kErfTop[] = {1.128379226e+00, 1.851702929e-01, 5.427462608e-02, 3.843379905e-03,
                              3.779244144e-04, 4.640079624e-06, -1.296533281e-08};
constexpr double kErfBottom[] = {1.000000000e+00, 4.974363148e-01, 1.139112413e-01, 1.544369571e-02, 1.304047531e-03, 6.268912693e-05};
constexpr double kErfEnd = 3.95;
// erf(x) = x P(x^2) for |x| <= 1. Relative error 1.4e-18.
constexpr double kErfDouble[] = {1.12837916709551256e+00,  -3.76126389031837594e-01, 1.12837916709552816e-01,  -2.68661706451361962e-02,
                                 5.22397762528316063e-03,  -8.54832700288228587e-04, 1.20553317874503909e-04,  -1.49256091150424135e-05,
                                 1.64611921777762277e-06,  -1.63520841058447395e-07, 1.46702529060755684e-08,  -1.14087463811183225e-09,
                                 6.01138776252425947e-11};
// erfc(x) = e^(-x^2) P((x-3) / (x+3)) for 1 <= x <= 6. Relative error 2.1e-15.
constexpr double kErfcDouble[] = {1.79001151181389789e-01,  -3.26233560043024728e-01, 2.45603801712407116e-01,  -1.50115936503320169e-01,
                                  7.16658371877995359e-02,  -2.43924991552694551e-02, 4.26913684812891756e-03,  7.07741905849560847e-04,
                                  -5.97074962527691512e-04, 4.53159050799755748e-05,  6.42330880190130780e-05,  -1.32373276386086135e-05,
                                  -9.21720857738027514e-06, 2.87378250846130938e-06,  4.99079851784266665e-06,  6.55478361547666173e-07,
                                  -2.19817317357105264e-06};

Value tanhDouble(Registers r, Value x) {
  Value z = r.mul(x, x);
  Value small = r.fma(r.mul(x, z), r.polynomial(z, kTanhDouble), x);
  Value e = emitExp(r.b, r.mul(r.abs(x), 2.0));
  Value large = r.copySign(r.sub(r.c(1, x), r.div(r.c(2, x), r.add(e, 1.0))), x);
  return r.select(r.cmp(arith::CmpFPredicate::OLT, r.abs(x), r.c(0.6, x)), small, large);
}

Value erfDouble(Registers r, Value x) {
  Value small = r.mul(x, r.polynomial(r.mul(x, x), kErfDouble));
  Value a = r.atMost(r.abs(x), r.c(6.0, x));
  Value erfc = r.mul(emitExp(r.b, r.neg(r.mul(a, a))), r.polynomial(r.div(r.sub(a, 3.0), r.add(a, 3.0)), kErfcDouble));
  Value large = r.copySign(r.sub(r.c(1, x), erfc), x);
  return r.select(r.cmp(arith::CmpFPredicate::OLT, r.abs(x), r.c(1.0, x)), small, large);
}

/// 2^y for y in [-126, 127] to 2 ulp; the reduction is exact and runs on the add pipes.
Value quickExp2(Registers r, Value y) {
  if (r.b.target().isGpu())
    return r.unitExp2(y);
  // 2^f = 1 + f q(f) to 9e-8: the coefficients of e^f scaled by powers of log(2).
  constexpr double kQuick[] = {6.931469739e-01, 2.402224396e-01, 5.550732544e-02, 9.671127370e-03, 1.326492213e-03};
  FloatFormat format = FloatFormat::of(y);
  Value shifted = r.add(y, format.magic);
  Value f = r.sub(y, r.sub(shifted, format.magic));
  Value p = r.fma(f, r.polynomial(f, kQuick), 1.0);
  return r.asFloat(r.addi(r.bits(p), r.shl(r.bits(shifted), format.mantissa)));
}
constexpr double kLog2e = 1.4426950408889634;
} // namespace

Value emitTanh(KernelBuilder &b, Value x) {
  Registers r{b};
  if (FloatFormat::of(x).isDouble)
    return tanhDouble(r, x);
  x = r.clamp(x, -kTanhEnd, kTanhEnd);
  Value z = r.mul(x, x);
  return r.clamp(r.quickDiv(r.mul(x, r.polynomial(z, kTanhTop)), r.polynomial(z, kTanhBottom)), -1, 1);
}

Value emitErf(KernelBuilder &b, Value x) {
  Registers r{b};
  if (FloatFormat::of(x).isDouble)
    return erfDouble(r, x);
  x = r.clamp(x, -kErfEnd, kErfEnd);
  Value z = r.mul(x, x);
  return r.clamp(r.div(r.mul(x, r.polynomial(z, kErfTop)), r.polynomial(z, kErfBottom)), -1, 1);
}

Value emitSigmoid(KernelBuilder &b, Value x) {
  Registers r{b};
  if (FloatFormat::of(x).isDouble)
    return r.div(r.c(1, x), r.add(emitExp(b, r.neg(x)), 1.0));
  // The sum is 1 to the last bit long before e^-x leaves the range that the quick exponential has.
  Value e = emitExpNegative(b, r.neg(r.abs(x)));
  Value positive = r.cmp(arith::CmpFPredicate::OGE, x, r.c(0, x));
  return r.quickDiv(r.select(positive, r.c(1, x), e), r.add(e, 1.0));
}

Value emitSilu(KernelBuilder &b, Value x) {
  Registers r{b};
  if (FloatFormat::of(x).isDouble)
    return r.mul(x, emitSigmoid(b, x));
  // x / (1 + 2^(-x log2 e)). Below -87 the result is 0 to 37 digits, and its argument must not grow.
  x = r.atLeast(x, r.c(-87, x));
  Value y = r.atLeast(r.mul(x, -kLog2e), r.c(-126, x));
  return r.quickDiv(x, r.add(quickExp2(r, y), 1.0));
}

Value emitGelu(KernelBuilder &b, Value x, bool tanhForm) {
  Registers r{b};
  // Far below zero the result is 0; the factor x must not multiply the last bit of 1 + erf.
  constexpr double kLowest = -5.586; // -kErfEnd * sqrt(2)
  if (tanhForm) {
    // (1 + tanh u) / 2 = 1 / (1 + e^-2u), u = sqrt(2/pi) (x + 0.044715 x^3)
    constexpr double kScale = 0.7978845608028654;
    x = r.atLeast(x, r.c(-30, x));
    Value u = r.mul(x, r.fma(r.mul(x, x), r.c(0.044715 * kScale, x), kScale));
    return r.mul(x, emitSigmoid(b, r.mul(u, 2.0)));
  }
  if (FloatFormat::of(x).isDouble) {
    Value half = r.mul(r.atLeast(x, r.c(-40, x)), 0.5);
    return r.fma(half, erfDouble(r, r.mul(x, std::sqrt(0.5))), half);
  }
  x = r.atLeast(x, r.c(kLowest, x));
  // erf(x / sqrt(2)), the factor folded into the coefficients.
  auto top = llvm::to_vector(ArrayRef<double>(kErfTop)), bottom = llvm::to_vector(ArrayRef<double>(kErfBottom));
  double power = 1;
  for (size_t i = 0; i < top.size(); ++i, power *= 0.5) {
    top[i] *= power * std::sqrt(0.5);
    if (i < bottom.size())
      bottom[i] *= power;
  }
  Value a = r.atMost(x, r.c(-kLowest, x)), z = r.mul(a, a);
  Value erf = r.quickDiv(r.mul(a, r.polynomial(z, top)), r.polynomial(z, bottom));
  Value half = r.mul(x, 0.5);
  return r.fma(half, erf, half);
}

Value emitSoftplus(KernelBuilder &b, Value x) {
  Registers r{b};
  return inDouble(r, x, [&](Value v) {
    Value tail = emitLog1p(b, emitExp(b, r.neg(r.abs(v))));
    return r.add(r.atLeast(v, r.c(0, v)), tail);
  });
}

Value emitMish(KernelBuilder &b, Value x) {
  // tanh(log(1 + e)) = n / (n + 2), n = e (e + 2); from 20 on it is 1.
  Registers r{b};
  x = r.atLeast(x, r.c(-80, x));
  Value e = emitExp(b, r.atMost(x, r.c(20, x)));
  Value n = r.mul(e, r.add(e, 2.0));
  return r.mul(x, r.div(n, r.add(n, 2.0)));
}

} // namespace tenon::cpu
