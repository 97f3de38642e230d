// Trigonometric and hyperbolic functions, all computed in f64.
#include "passes/6_codegen/cpu/FloatFormat.h"
#include "passes/6_codegen/cpu/VectorMath.h"

namespace tenon::cpu {
using namespace mlir;

namespace {
// sin(x) = x + x^3 P(x^2), cos(x) = 1 - x^2/2 + x^4 P(x^2) for |x| <= pi/4; errors 3.8e-18 and 8.9e-20.
constexpr double kSin[] = {-1.66666666666666324e-01, 8.33333333332237150e-03,  -1.98412698297726931e-04,
                           2.75573136791028355e-06,  -2.50507560155596301e-08, 1.58966688530765916e-10};
constexpr double kCos[] = {4.16666666666665880e-02,  -1.38888888888726416e-03, 2.48015872886011955e-05,
                           -2.75573141094835593e-07, 2.08756916762124723e-09,  -1.13580770542124366e-11};
// atan(x) = x + x^3 P(x^2) for |x| <= tan(pi/8). Error 1.5e-18.
constexpr double kAtan[] = {-3.33333333333331983e-01, 1.99999999999541239e-01,  -1.42857142802533976e-01, 1.11111107864065584e-01,
                            -9.09089784482570856e-02, 7.69206179824997865e-02,  -6.66312235970713956e-02, 5.84802435840739987e-02,
                            -5.03991983885396025e-02, 3.80803262619114277e-02,  -1.79245975146850554e-02};
constexpr double kHalfPi = 1.5707963267948966;
constexpr double kQuarterPi = 0.7853981633974483;

/// Cody and Waite: pi/2 in parts of 24 bits, so that each product with a quadrant below 2^29 is exact.
constexpr double kHalfPiParts[] = {0x1.921fb4p0, 0x1.4442d0p-24, 0x1.8469898cc5170p-48};

struct Quadrant {
  Value rest;     // in [-pi/4, pi/4]
  Value sine, cosine;
  Value odd, second; // bits 0 and 1 of the quadrant, as i1
};

Quadrant quadrantOf(Registers r, Value x) {
  FloatFormat format = FloatFormat::of(x);
  Quadrant q;
  Value shifted = r.fma(x, r.c(1 / kHalfPi, x), format.magic);
  Value n = r.sub(shifted, format.magic);
  q.rest = x;
  for (double part : kHalfPiParts)
    q.rest = r.fma(n, -part, q.rest);
  // Beyond the range of the reduction the rest is noise; it stays within the circle.
  q.rest = r.clamp(q.rest, -kQuarterPi * 1.0001, kQuarterPi * 1.0001);
  Value z = r.mul(q.rest, q.rest);
  q.sine = r.fma(r.mul(q.rest, z), r.polynomial(z, kSin), q.rest);
  q.cosine = r.fma(r.mul(z, z), r.polynomial(z, kCos), r.fma(z, r.c(-0.5, z), 1.0));
  Value bits = r.bits(shifted);
  auto bit = [&](int64_t mask) {
    return r.cmp(arith::CmpIPredicate::ne, r.andi(bits, r.integer(mask, bits.getType())), r.integer(0, bits.getType()));
  };
  q.odd = bit(1);
  q.second = bit(2);
  return q;
}

Value negateIf(Registers r, Value condition, Value x) { return r.select(condition, r.neg(x), x); }

Value atanDouble(Registers r, Value x) {
  Value a = r.abs(x);
  // atan(a) = pi/2 - atan(1/a) = pi/4 + atan((a-1)/(a+1))
  Value large = r.cmp(arith::CmpFPredicate::OGT, a, r.c(2.414213562373095, a));
  Value middle = r.cmp(arith::CmpFPredicate::OGT, a, r.c(0.41421356237309503, a));
  Value top = r.select(large, r.c(-1, a), r.select(middle, r.sub(a, 1.0), a));
  Value bottom = r.select(large, a, r.select(middle, r.add(a, 1.0), r.c(1, a)));
  Value base = r.select(large, r.c(kHalfPi, a), r.select(middle, r.c(kQuarterPi, a), r.c(0, a)));
  Value t = r.div(top, bottom), z = r.mul(t, t);
  Value result = r.add(base, r.fma(r.mul(t, z), r.polynomial(z, kAtan), t));
  return r.copySign(result, x);
}
} // namespace

Value emitSin(KernelBuilder &b, Value x) {
  Registers r{b};
  return inDouble(r, x, [&](Value v) {
    Quadrant q = quadrantOf(r, v);
    return negateIf(r, q.second, r.select(q.odd, q.cosine, q.sine));
  });
}

Value emitCos(KernelBuilder &b, Value x) {
  Registers r{b};
  return inDouble(r, x, [&](Value v) {
    Quadrant q = quadrantOf(r, v);
    Value result = r.select(q.odd, q.sine, q.cosine);
    return negateIf(r, r.xori(q.odd, q.second), result);
  });
}

Value emitTan(KernelBuilder &b, Value x) {
  Registers r{b};
  return inDouble(r, x, [&](Value v) {
    Quadrant q = quadrantOf(r, v);
    return r.div(r.select(q.odd, r.neg(q.cosine), q.sine), r.select(q.odd, q.sine, q.cosine));
  });
}

Value emitAtan(KernelBuilder &b, Value x) {
  Registers r{b};
  return inDouble(r, x, [&](Value v) { return atanDouble(r, v); });
}

Value emitAsin(KernelBuilder &b, Value x) {
  Registers r{b};
  return inDouble(r, x, [&](Value v) {
    Value one = r.c(1, v);
    return atanDouble(r, r.div(v, r.sqrt(r.mul(r.sub(one, v), r.add(one, v)))));
  });
}

Value emitAcos(KernelBuilder &b, Value x) {
  Registers r{b};
  return inDouble(r, x, [&](Value v) {
    Value one = r.c(1, v);
    return r.mul(atanDouble(r, r.sqrt(r.div(r.sub(one, v), r.add(one, v)))), 2.0);
  });
}

Value emitSinh(KernelBuilder &b, Value x) {
  Registers r{b};
  // (e^x - e^-x) / 2 = (m + m / (m + 1)) / 2 with m = e^|x| - 1
  return inDouble(r, x, [&](Value v) {
    Value m = emitExpm1(b, r.abs(v));
    Value sum = r.add(m, r.div(m, r.add(m, 1.0)));
    Value infinite = r.cmp(arith::CmpFPredicate::OEQ, m, r.c(std::numeric_limits<double>::infinity(), m));
    return r.copySign(r.select(infinite, m, r.mul(sum, 0.5)), v);
  });
}

Value emitCosh(KernelBuilder &b, Value x) {
  Registers r{b};
  return inDouble(r, x, [&](Value v) {
    Value e = emitExp(b, r.abs(v));
    return r.mul(r.add(e, r.div(r.c(1, e), e)), 0.5);
  });
}

Value emitAsinh(KernelBuilder &b, Value x) {
  Registers r{b};
  // log(a + sqrt(a^2 + 1)) = log1p(a + a^2 / (1 + sqrt(a^2 + 1))); a^2 overflows only where f32 has no numbers.
  return inDouble(r, x, [&](Value v) {
    Value a = r.abs(v), square = r.mul(a, a);
    Value inner = r.add(a, r.div(square, r.add(r.sqrt(r.add(square, 1.0)), 1.0)));
    Value infinite = r.cmp(arith::CmpFPredicate::OEQ, a, r.c(std::numeric_limits<double>::infinity(), a));
    return r.copySign(r.select(infinite, a, emitLog1p(b, inner)), v);
  });
}

Value emitAcosh(KernelBuilder &b, Value x) {
  Registers r{b};
  return inDouble(r, x, [&](Value v) {
    Value root = r.mul(r.sqrt(r.sub(v, 1.0)), r.sqrt(r.add(v, 1.0))); // NaN below 1
    return emitLog1p(b, r.add(r.sub(v, 1.0), root));
  });
}

Value emitAtanh(KernelBuilder &b, Value x) {
  Registers r{b};
  return inDouble(r, x, [&](Value v) {
    Value a = r.abs(v);
    Value inner = r.div(r.add(a, a), r.sub(r.c(1, a), a));
    return r.copySign(r.mul(emitLog1p(b, inner), 0.5), v);
  });
}

} // namespace tenon::cpu
