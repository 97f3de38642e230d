// One nn elementwise op on registers.
#include "passes/6_codegen/cpu/Elementwise.h"
#include "passes/6_codegen/cpu/Bitcast.h"
#include "passes/6_codegen/cpu/FloatFormat.h"
#include "passes/6_codegen/cpu/IntegerOps.h"
#include "passes/6_codegen/cpu/NarrowFloat.h"
#include "passes/6_codegen/cpu/QuantizedOps.h"
#include "passes/6_codegen/cpu/VectorMath.h"
#include "passes/6_codegen/gpu/HalfMath.h"

namespace tenon::cpu {
using namespace mlir;

Type computeType(Type storage) {
  if (storage.isF16() || storage.isBF16() || isNarrowFloat(storage))
    return Float32Type::get(storage.getContext());
  return signless(storage);
}

namespace {
using arith::CmpFPredicate;
using arith::CmpIPredicate;

bool isFloat(Value v) { return isa<FloatType>(getElementTypeOrSelf(v)); }

/// Whether a register is a constant other than NaN.
bool isNumber(Value v) {
  Attribute attr;
  if (!matchPattern(v, m_Constant(&attr)))
    return false;
  if (auto splat = dyn_cast<SplatElementsAttr>(attr))
    attr = splat.getSplatValue<Attribute>();
  auto number = dyn_cast<FloatAttr>(attr);
  return number && !number.getValue().isNaN();
}

Value maximum(Registers r, Value x, Value y) {
  Value result = r.atLeast(x, y);
  return isNumber(y) ? result : r.select(r.isNan(y), y, result);
}

Value minimum(Registers r, Value x, Value y) {
  Value result = r.atMost(x, y);
  return isNumber(y) ? result : r.select(r.isNan(y), y, result);
}

using UnaryFunction = Value (*)(KernelBuilder &, Value);

/// Ops that are one function of VectorMath.
UnaryFunction functionOf(Operation *op) {
  return llvm::TypeSwitch<Operation *, UnaryFunction>(op)
      .Case([](nn::ExpOp) { return emitExp; })
      .Case([](nn::LogOp) { return emitLog; })
      .Case([](nn::SqrtOp) { return emitSqrt; })
      .Case([](nn::SinOp) { return emitSin; })
      .Case([](nn::CosOp) { return emitCos; })
      .Case([](nn::TanOp) { return emitTan; })
      .Case([](nn::AsinOp) { return emitAsin; })
      .Case([](nn::AcosOp) { return emitAcos; })
      .Case([](nn::AtanOp) { return emitAtan; })
      .Case([](nn::SinhOp) { return emitSinh; })
      .Case([](nn::CoshOp) { return emitCosh; })
      .Case([](nn::TanhOp) { return emitTanh; })
      .Case([](nn::AsinhOp) { return emitAsinh; })
      .Case([](nn::AcoshOp) { return emitAcosh; })
      .Case([](nn::AtanhOp) { return emitAtanh; })
      .Case([](nn::ErfOp) { return emitErf; })
      .Case([](nn::SigmoidOp) { return emitSigmoid; })
      .Case([](nn::SoftplusOp) { return emitSoftplus; })
      .Case([](nn::MishOp) { return emitMish; })
      .Case([](nn::FloorOp) { return emitFloor; })
      .Case([](nn::CeilOp) { return emitCeil; })
      .Case([](nn::RoundOp) { return emitRoundEven; })
      .Default([](Operation *) { return UnaryFunction(nullptr); });
}

/// x where x > 0, the exponential branch elsewhere: alpha * (e^(x / divisor) - 1).
Value exponentialLinear(Registers r, Value x, double alpha, double divisor) {
  Value negative = r.atMost(x, r.c(0, x));
  Value branch = r.mul(emitExpm1Negative(r.b, divisor == 1 ? negative : r.mul(negative, 1 / divisor)), alpha);
  return r.select(r.cmp(CmpFPredicate::OGT, x, r.c(0, x)), x, branch);
}

Value leakyRelu(Registers r, Value x, double alpha) {
  Value scaled = r.mul(x, alpha);
  if (alpha > 0 && alpha <= 1)
    return r.atLeast(x, scaled); // one instruction less than compare and blend
  return r.select(r.cmp(CmpFPredicate::OLT, x, r.c(0, x)), scaled, x);
}

Value clip(Registers r, nn::ClipOp op, Value x) {
  if (op.getLow())
    x = r.atLeast(x, r.c(op.getLow()->convertToDouble(), x));
  if (op.getHigh())
    x = r.atMost(x, r.c(op.getHigh()->convertToDouble(), x));
  return x;
}

Value isInfinite(Registers r, nn::IsInfOp op, Value x) {
  constexpr double infinity = std::numeric_limits<double>::infinity();
  if (op.getNegative() && op.getPositive())
    return r.cmp(CmpFPredicate::OEQ, r.abs(x), r.c(infinity, x));
  if (!op.getNegative() && !op.getPositive())
    return r.cmp(CmpFPredicate::AlwaysFalse, x, x);
  return r.cmp(CmpFPredicate::OEQ, x, r.c(op.getPositive() ? infinity : -infinity, x));
}

/// Python's modulo: the sign of the divisor.
Value floatMod(Registers r, Value x, Value y, bool fmod) {
  Value rest = emitFmod(r.b, x, y);
  if (fmod)
    return rest;
  Value zero = r.c(0, x);
  Value differ = r.xori(r.cmp(CmpFPredicate::OLT, rest, zero), r.cmp(CmpFPredicate::OLT, y, zero));
  return r.select(r.andi(differ, r.cmp(CmpFPredicate::UNE, rest, zero)), r.add(rest, y), rest);
}

Value emitUnaryFloat(Registers r, Operation *op, Value x) {
  if (UnaryFunction function = functionOf(op))
    return function(r.b, x);
  return llvm::TypeSwitch<Operation *, Value>(op)
      .Case([&](nn::AbsOp) { return r.abs(x); })
      .Case([&](nn::NegOp) { return r.neg(x); })
      .Case([&](nn::ReciprocalOp) { return r.div(r.c(1, x), x); })
      .Case([&](nn::SignOp) {
        Value negative = r.select(r.cmp(CmpFPredicate::OLT, x, r.c(0, x)), r.c(-1, x), x);
        return r.select(r.cmp(CmpFPredicate::OGT, x, r.c(0, x)), r.c(1, x), negative);
      })
      .Case([&](nn::ReluOp) { return r.atLeast(x, r.c(0, x)); })
      .Case([&](nn::HardSwishOp) { return r.mul(x, r.clamp(r.fma(x, r.c(1.0 / 6, x), 0.5), 0, 1)); })
      .Case([&](nn::HardSigmoidOp o) {
        return r.clamp(r.fma(x, r.c(o.getAlpha().convertToDouble(), x), o.getBeta().convertToDouble()), 0, 1);
      })
      .Case([&](nn::SoftsignOp) { return r.div(x, r.add(r.abs(x), 1.0)); })
      .Case([&](nn::LeakyReluOp o) { return leakyRelu(r, x, o.getAlpha().convertToDouble()); })
      .Case([&](nn::EluOp o) { return exponentialLinear(r, x, o.getAlpha().convertToDouble(), 1); })
      .Case([&](nn::CeluOp o) {
        double alpha = o.getAlpha().convertToDouble();
        return exponentialLinear(r, x, alpha, alpha);
      })
      .Case([&](nn::SeluOp o) {
        return r.mul(exponentialLinear(r, x, o.getAlpha().convertToDouble(), 1), o.getGamma().convertToDouble());
      })
      .Case([&](nn::ThresholdedReluOp o) {
        return r.select(r.cmp(CmpFPredicate::OGT, x, r.c(o.getAlpha().convertToDouble(), x)), x, r.c(0, x));
      })
      .Case([&](nn::GeluOp o) {
        return gpu::hasHalfMath(r.b.target(), o) ? gpu::emitHalfGelu(r.b, x, o.getTanh()) : emitGelu(r.b, x, o.getTanh());
      })
      .Case([&](nn::SiluOp o) { return gpu::hasHalfSilu(r.b.target(), o) ? gpu::emitHalfSilu(r.b, x) : emitSilu(r.b, x); })
      .Case([&](nn::ClipOp o) { return clip(r, o, x); })
      .Case([&](nn::IsNanOp) { return r.isNan(x); })
      .Case([&](nn::IsInfOp o) { return isInfinite(r, o, x); })
      .Default([](Operation *) { return Value(); });
}

Value emitBinaryFloat(Registers r, Operation *op, Value x, Value y) {
  return llvm::TypeSwitch<Operation *, Value>(op)
      .Case([&](nn::AddOp) { return r.add(x, y); })
      .Case([&](nn::SubOp) { return r.sub(x, y); })
      .Case([&](nn::MulOp) { return r.mul(x, y); })
      .Case([&](nn::DivOp) { return r.div(x, y); })
      .Case([&](nn::PowOp) { return emitPow(r.b, x, y); })
      .Case([&](nn::MaxOp) { return maximum(r, x, y); })
      .Case([&](nn::MinOp) { return minimum(r, x, y); })
      .Case([&](nn::PreluOp) { return r.select(r.cmp(CmpFPredicate::OLT, x, r.c(0, x)), r.mul(x, y), x); })
      .Case([&](nn::ModOp o) { return floatMod(r, x, y, o.getFmod()); })
      .Case([&](nn::EqualOp) { return r.cmp(CmpFPredicate::OEQ, x, y); })
      .Case([&](nn::LessOp) { return r.cmp(CmpFPredicate::OLT, x, y); })
      .Case([&](nn::LessOrEqualOp) { return r.cmp(CmpFPredicate::OLE, x, y); })
      .Case([&](nn::GreaterOp) { return r.cmp(CmpFPredicate::OGT, x, y); })
      .Case([&](nn::GreaterOrEqualOp) { return r.cmp(CmpFPredicate::OGE, x, y); })
      .Default([](Operation *) { return Value(); });
}

bool isUnsigned(Value tensor) {
  auto integer = dyn_cast<IntegerType>(getElementTypeOrSelf(tensor));
  return integer && (integer.isUnsigned() || integer.getWidth() == 1);
}

/// f16 and bf16 keep the precision of f32 until they are stored; narrower floats are rounded here.
Value emitCast(Registers r, nn::CastOp op, Value x) {
  Type to = op.getTo(), wide = computeType(to);
  if (wide.isF32() && !isNarrowFloat(to) && getElementTypeOrSelf(x).isInteger(8))
    if (Value floats = emitFromBytes(r.b, x, isUnsigned(op.getInput())))
      return floats;
  if (!isNarrowFloat(to))
    return r.b.convert(x, wide, isUnsigned(op.getInput()), to.isUnsignedInteger());
  Value real = isa<Float64Type>(getElementTypeOrSelf(x)) ? roundToOdd(r, x) : r.b.convert(x, wide, isUnsigned(op.getInput()));
  return decodeNarrow(r, encodeNarrow(r, real, to, {op.getSaturate(), op.getRounding()}), to);
}

/// All operands with the same number of lanes.
SmallVector<Value> sameLanes(KernelBuilder &b, ValueRange operands) {
  int lanes = 0;
  for (Value v : operands)
    if (auto vector = dyn_cast<VectorType>(v.getType()))
      lanes = vector.getNumElements();
  SmallVector<Value> same(operands);
  if (lanes)
    for (Value &v : same)
      v = b.splat(v, lanes);
  return same;
}

bool isComputable(Type element) {
  if (auto integer = dyn_cast<IntegerType>(element))
    return llvm::is_contained({1, 2, 4}, integer.getWidth()) || (integer.getWidth() >= 8 && integer.getWidth() <= 64);
  return isNarrowFloat(element) || element.isF16() || element.isBF16() || element.isF32() || element.isF64();
}
} // namespace

bool canEmitElementwise(Operation *op) {
  if (!op->hasTrait<nn::Elementwise>())
    return false;
  auto computable = [](Type type) { return isComputable(getElementTypeOrSelf(type)); };
  if (!llvm::all_of(op->getOperandTypes(), computable) || !llvm::all_of(op->getResultTypes(), computable))
    return false;
  if (isFloat(op->getOperand(0)) || isa<nn::CastOp, nn::BitcastOp, nn::SelectOp, nn::LookupOp>(op))
    return true;
  return isIntegerOp(op);
}

Value emitElementwise(KernelBuilder &b, Operation *op, ValueRange registers) {
  Registers r{b};
  SmallVector<Value> operands = sameLanes(b, registers);
  Value x = operands[0];
  if (auto cast = dyn_cast<nn::CastOp>(op))
    return emitCast(r, cast, x);
  if (auto bitcast = dyn_cast<nn::BitcastOp>(op))
    return emitBitcast(r, x, getElementTypeOrSelf(bitcast.getInput()), bitcast.getTo());
  if (auto quantize = dyn_cast<nn::QuantizeOp>(op))
    return emitQuantize(b, quantize, x);
  if (auto lookup = dyn_cast<nn::LookupOp>(op))
    return emitLookup(b, lookup, x);
  if (auto div = dyn_cast<nn::DivOp>(op))
    if (Value steps = emitSteps(b, div, x))
      return steps;
  if (auto silu = dyn_cast<nn::SiluOp>(op))
    if (Value product = emitSiluOfSums(b, silu, x))
      return product;
  if (isa<nn::SubOp, nn::MulOp>(op))
    if (Value sum = emitWithBytes(b, op, x))
      return sum;
  if (isa<nn::SelectOp>(op))
    return r.select(x, operands[1], operands[2]);
  // A power of a float may have an integer exponent, and the other way round.
  if (isa<nn::PowOp>(op) && isFloat(x) && operands[1].getType() != x.getType())
    operands[1] = b.convert(operands[1], getElementTypeOrSelf(x), isUnsigned(op->getOperand(1)));
  if (!isFloat(x))
    return emitInteger(b, op, operands, isUnsigned(op->getOperand(0)));
  return operands.size() == 1 ? emitUnaryFloat(r, op, x) : emitBinaryFloat(r, op, x, operands[1]);
}

} // namespace tenon::cpu
