// Rounding to integers, remainders, square roots.
#include "passes/6_codegen/cpu/FloatFormat.h"
#include "passes/6_codegen/cpu/VectorMath.h"

namespace tenon::cpu {
using namespace mlir;

namespace {
/// Nearest even: adding 2^mantissa pushes the fraction out. Numbers from there on are integers; the sign of zero is kept.
Value roundByMagic(Registers r, Value x) {
  double limit = std::ldexp(1.0, FloatFormat::of(x).mantissa);
  Value magnitude = r.abs(x);
  Value rounded = r.copySign(r.sub(r.add(magnitude, limit), limit), x);
  return r.select(r.cmp(arith::CmpFPredicate::OLT, magnitude, r.c(limit, x)), rounded, x);
}
} // namespace

Value emitRoundEven(KernelBuilder &b, Value x) {
  if (b.target().roundInstructions)
    return LLVM::RoundEvenOp::create(b.ops(), x);
  return roundByMagic({b}, x);
}

Value emitFloor(KernelBuilder &b, Value x) {
  if (b.target().roundInstructions)
    return LLVM::FFloorOp::create(b.ops(), x);
  Registers r{b};
  Value rounded = roundByMagic(r, x);
  return r.select(r.cmp(arith::CmpFPredicate::OGT, rounded, x), r.sub(rounded, 1.0), rounded);
}

Value emitCeil(KernelBuilder &b, Value x) {
  if (b.target().roundInstructions)
    return LLVM::FCeilOp::create(b.ops(), x);
  Registers r{b};
  Value rounded = roundByMagic(r, x);
  Value up = r.copySign(r.add(rounded, 1.0), x); // -0.5 gives -0
  return r.select(r.cmp(arith::CmpFPredicate::OLT, rounded, x), up, rounded);
}

Value emitTrunc(KernelBuilder &b, Value x) {
  if (b.target().roundInstructions)
    return LLVM::FTruncOp::create(b.ops(), x);
  Registers r{b};
  return r.copySign(emitFloor(b, r.abs(x)), x);
}

Value emitSqrt(KernelBuilder &b, Value x) { return Registers{b}.sqrt(x); }

Value emitFmod(KernelBuilder &b, Value x, Value y) {
  Registers r{b};
  Type original = x.getType(), wide = r.like(x, b.ops().getF64Type());
  bool isDouble = FloatFormat::of(x).isDouble;
  if (!isDouble) {
    x = arith::ExtFOp::create(b.ops(), wide, x);
    y = arith::ExtFOp::create(b.ops(), wide, y);
  }
  Value a = r.abs(x), d = r.abs(y);
  Value quotient = emitTrunc(b, r.div(a, d));
  Value rest = r.sub(a, r.mul(quotient, d));
  if (b.target().fma)
    rest = r.fma(r.neg(quotient), d, a);
  // The quotient may have been rounded up to the next integer.
  rest = r.select(r.cmp(arith::CmpFPredicate::OLT, rest, r.c(0, rest)), r.add(rest, d), rest);
  rest = r.select(r.cmp(arith::CmpFPredicate::OGE, rest, d), r.sub(rest, d), rest);
  // A finite number is its own remainder by infinity.
  Value infinity = r.c(std::numeric_limits<double>::infinity(), d);
  Value whole = r.cmp(arith::CmpFPredicate::OEQ, d, infinity);
  Value finite = r.cmp(arith::CmpFPredicate::OLT, a, infinity);
  rest = r.select(arith::AndIOp::create(b.ops(), whole, finite), a, rest);
  rest = r.copySign(rest, x);
  return isDouble ? rest : Value(arith::TruncFOp::create(b.ops(), original, rest));
}

} // namespace tenon::cpu
