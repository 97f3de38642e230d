#include "passes/6_codegen/cpu/QuantizedOps.h"
#include "passes/6_codegen/cpu/ByteRegisters.h"
#include "passes/6_codegen/cpu/Registers.h"
#include "passes/6_codegen/cpu/VectorMath.h"
#include "llvm/TargetParser/Triple.h"

namespace tenon::cpu {
using namespace mlir;

/// The same bits as a vector of narrower or wider elements.
static Value split(KernelBuilder &b, Value x, Type to) { return vector::BitCastOp::create(b.ops(), cast<VectorType>(to), x); }

static Value intrinsic(KernelBuilder &b, StringRef name, Type result, ValueRange operands) {
  return LLVM::CallIntrinsicOp::create(b.ops(), result, b.ops().getStringAttr(name), operands)->getResult(0);
}

/// The nearest integers, halves to even, of numbers far from the borders of i32.
static Value nearestIntegers(KernelBuilder &b, Value x) {
  Registers r{b};
  ImplicitLocOpBuilder &ops = b.ops();
  Type integers = r.like(x, ops.getI32Type());
  auto vector = dyn_cast<VectorType>(x.getType());
  if (b.target().isGpu()) { // the sum's last bits are the integer; conversions are slower than sums
    constexpr double kMagic = 12582912; // 1.5 * 2^23
    Value bits = r.bits(r.add(x, kMagic));
    return r.subi(bits, r.integer(0x4b400000, bits.getType()));
  }
  // x86 rounds as it converts.
  if (vector && llvm::Triple(b.target().triple).isX86() && vector.getNumElements() * 4 <= b.target().vectorBytes) {
    switch (vector.getNumElements()) {
    case 4:
      return intrinsic(b, "llvm.x86.sse2.cvtps2dq", integers, x);
    case 8:
      return intrinsic(b, "llvm.x86.avx.cvt.ps2dq.256", integers, x);
    case 16: {
      Value all = arith::ConstantOp::create(ops, ops.getI16IntegerAttr(-1)), rounding = arith::ConstantOp::create(ops, ops.getI32IntegerAttr(4));
      return intrinsic(b, "llvm.x86.avx512.mask.cvtps2dq.512", integers, {x, r.integer(0, integers), all, rounding});
    }
    default:
      break;
    }
  }
  return arith::FPToSIOp::create(ops, integers, emitRoundEven(b, x));
}

/// Lanes of several registers of numbers that are half a register of bytes, or a whole one.
static bool fillsByteRegister(KernelBuilder &b, Value x) {
  auto vector = dyn_cast<VectorType>(x.getType());
  int64_t lanes = vector ? vector.getNumElements() : 0, whole = b.target().lanes(8);
  return (lanes == whole || lanes == whole / 2) && hasByteRegisters(b.target());
}

static Value quantizeRegisters(KernelBuilder &b, nn::QuantizeOp op, Value x) {
  int64_t lanes = cast<VectorType>(x.getType()).getNumElements(), part = b.target().lanes(32);
  SmallVector<Value> numbers;
  for (int64_t i = 0; i < kTogether; ++i)
    numbers.push_back(partOf(b, x, i * part % lanes, part));
  return partOf(b, quantizeTogether(b, op, numbers), 0, lanes);
}

/// Steps above the zero point, of 32 bits.
static Value stepsOf(KernelBuilder &b, nn::QuantizeOp op, Value x) {
  Registers r{b};
  int64_t zeroPoint = op.getZeroPoint(), low = op.getTo().isUnsignedInteger() ? 0 : -128;
  // The bounds are integers: it makes no difference whether they come before or after rounding. NaN is not above the lower one, and becomes it.
  Value lowest = r.c(low - zeroPoint, x), notBelow = r.select(r.cmp(arith::CmpFPredicate::OGT, x, lowest), x, lowest);
  return nearestIntegers(b, r.atMost(notBelow, r.c(low + 255 - zeroPoint, x)));
}

Value emitSteps(KernelBuilder &b, nn::QuantizeOp op, Value x) { return arith::SIToFPOp::create(b.ops(), x.getType(), stepsOf(b, op, x)); }

Value emitQuantize(KernelBuilder &b, nn::QuantizeOp op, Value x) {
  if (fillsByteRegister(b, x) && getElementTypeOrSelf(x).isF32())
    return quantizeRegisters(b, op, x);
  Registers r{b};
  Value steps = stepsOf(b, op, x);
  if (int64_t zeroPoint = op.getZeroPoint())
    steps = r.addi(steps, r.integer(zeroPoint, steps.getType()));
  return r.truncate(steps, r.like(x, b.ops().getI8Type()));
}

/// With the reciprocal rounded once, two corrections by exact remainders make the quotient the nearest one (Markstein), unless all bits of the divisor are
/// ones. Quotients beyond what nn.quantize saturates become others as large, so that nothing overflows.
Value emitSteps(KernelBuilder &b, nn::DivOp op, Value x) {
  constexpr float kSmallest = 1e-30f, kLargest = 1e30f, kMostSteps = 1024;
  constexpr uint32_t kMantissa = (1u << 23) - 1;
  auto constant = op.getRhs().getDefiningOp<nn::ConstantOp>();
  auto contents = constant ? dyn_cast<DenseElementsAttr>(constant.getValue()) : DenseElementsAttr();
  bool isToBytes = op->hasOneUse() && isa<nn::QuantizeOp>(*op->user_begin());
  if (!b.target().isGpu() || !isToBytes || !contents || contents.getNumElements() != 1 || !contents.getElementType().isF32())
    return {};
  float divisor = (*contents.value_begin<APFloat>()).convertToFloat();
  if (!(divisor >= kSmallest && divisor <= kLargest) || (llvm::bit_cast<uint32_t>(divisor) & kMantissa) == kMantissa)
    return {};
  Registers r{b};
  double reciprocal = 1.0f / divisor;
  x = r.clamp(x, -kMostSteps * divisor, kMostSteps * divisor);
  Value quotient = r.mul(x, reciprocal);
  for (int correction = 0; correction < 2; ++correction)
    quotient = r.fma(r.fma(quotient, -double(divisor), x), reciprocal, quotient);
  return quotient;
}

/// The table as four registers of 64 bytes each: vpermi2b looks up 128 entries at once.
static Value lookUpInRegisters(KernelBuilder &b, const Tensor &table, Value x) {
  Registers r{b};
  ImplicitLocOpBuilder &ops = b.ops();
  auto lanes = cast<VectorType>(x.getType()).getNumElements();
  Type bytes = VectorType::get({64}, ops.getI8Type()), words = VectorType::get({lanes}, ops.getI32Type());
  Value index = split(b, r.zext(x, words), bytes);
  auto half = [&](int64_t first) {
    return intrinsic(b, "llvm.x86.avx512.vpermi2var.qi.512", bytes, {b.load(table, first, 64), index, b.load(table, first + 64, 64)});
  };
  Value isHigh = r.cmp(arith::CmpIPredicate::slt, index, r.integer(0, bytes));
  Value found = split(b, r.select(isHigh, half(128), half(0)), words);
  return r.truncate(found, x.getType());
}

Value emitLookup(KernelBuilder &b, nn::LookupOp op, Value x) {
  ImplicitLocOpBuilder &ops = b.ops();
  auto vector = dyn_cast<VectorType>(x.getType());
  if (fillsByteRegister(b, x)) {
    int64_t lanes = vector.getNumElements();
    auto whole = llvm::map_to_vector(llvm::seq<int64_t>(0, b.target().lanes(8)), [&](int64_t i) { return i % lanes; });
    return partOf(b, lookUpTogether(b, op, vector::ShuffleOp::create(ops, x, x, whole)), 0, lanes);
  }
  Tensor table = b.table(cast<DenseElementsAttr>(op.getTable()));
  table.element = ops.getI8Type();
  if (vector && vector.getNumElements() == 16 && llvm::is_contained(b.target().required, "avx512vbmi"))
    return lookUpInRegisters(b, table, x);
  auto one = [&](Value index) { return b.load(table, Index(arith::ExtUIOp::create(ops, ops.getI64Type(), index))); };
  if (!vector)
    return one(x);
  Value found = LLVM::PoisonOp::create(ops, vector);
  for (int lane = 0; lane < vector.getNumElements(); ++lane)
    found = b.insertLane(found, one(b.extractLane(x, lane)), lane);
  return found;
}

} // namespace tenon::cpu
