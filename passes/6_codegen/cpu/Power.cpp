// x to the power y.
#include "passes/6_codegen/cpu/FloatFormat.h"
#include "passes/6_codegen/cpu/VectorMath.h"

namespace tenon::cpu {
using namespace mlir;

namespace {
/// Small whole exponents by multiplication: exact where the products are.
Value constantPower(Registers r, Value x, double exponent) {
  if (exponent < 0)
    return r.div(r.c(1, x), constantPower(r, x, -exponent));
  Value result, square = x;
  for (int bits = int(exponent); bits; bits >>= 1) {
    if (bits & 1)
      result = result ? r.mul(result, square) : square;
    if (bits > 1)
      square = r.mul(square, square);
  }
  return result ? result : r.c(1, x);
}

std::optional<double> constantExponent(Value y) {
  Attribute attr;
  if (!matchPattern(y, m_Constant(&attr)))
    return std::nullopt;
  if (auto splat = dyn_cast<SplatElementsAttr>(attr))
    attr = splat.getSplatValue<Attribute>();
  auto value = dyn_cast<FloatAttr>(attr);
  return value ? std::optional(value.getValueAsDouble()) : std::nullopt;
}

/// C's rules: a negative base takes whole exponents, odd ones keep its sign; 1^y and x^0 are 1, NaN or not.
Value powDouble(Registers r, Value x, Value y) {
  Value zero = r.c(0, x), one = r.c(1, x), infinity = r.c(std::numeric_limits<double>::infinity(), x);
  Value magnitude = r.abs(x);
  Value result = emitExp(r.b, r.mul(y, emitLog(r.b, magnitude)));
  // (-1) to an infinite power is 1; a magnitude of 1 must not meet 0 * inf.
  Value unit = r.cmp(arith::CmpFPredicate::OEQ, magnitude, one);
  Value known = r.cmp(arith::CmpFPredicate::ORD, y, y);
  result = r.select(r.andi(unit, known), one, result);
  Value half = r.mul(y, 0.5);
  Value whole = r.cmp(arith::CmpFPredicate::OEQ, emitFloor(r.b, y), y);
  Value odd = r.andi(whole, r.cmp(arith::CmpFPredicate::UNE, emitFloor(r.b, half), half));
  Value negative = r.cmp(arith::CmpFPredicate::OLT, r.copySign(one, x), zero);
  result = r.select(r.andi(odd, negative), r.neg(result), result);
  Value below = r.andi(r.cmp(arith::CmpFPredicate::OLT, x, zero), r.cmp(arith::CmpFPredicate::OGT, x, r.neg(infinity)));
  Value nan = r.c(std::numeric_limits<double>::quiet_NaN(), x);
  Value undefined = r.andi(below, r.cmp(arith::CmpFPredicate::UNE, emitFloor(r.b, y), y));
  result = r.select(undefined, nan, result);
  Value trivial = r.ori(r.cmp(arith::CmpFPredicate::OEQ, y, zero), r.cmp(arith::CmpFPredicate::OEQ, x, one));
  return r.select(trivial, one, result);
}
} // namespace

Value emitPow(KernelBuilder &b, Value x, Value y) {
  Registers r{b};
  if (std::optional<double> exponent = constantExponent(y)) {
    if (*exponent == std::trunc(*exponent) && std::abs(*exponent) <= 16)
      return constantPower(r, x, *exponent);
    if (*exponent == 0.5) // differs from C at -inf and -0 alone
      return r.sqrt(x);
  }
  if (FloatFormat::of(x).isDouble)
    return powDouble(r, x, y);
  Type wide = r.like(x, b.ops().getF64Type());
  Value result = powDouble(r, arith::ExtFOp::create(b.ops(), wide, x), arith::ExtFOp::create(b.ops(), wide, y));
  return arith::TruncFOp::create(b.ops(), x.getType(), result);
}

} // namespace tenon::cpu
