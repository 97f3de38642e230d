#include "passes/6_codegen/cpu/ByteRegisters.h"
#include "passes/6_codegen/cpu/Registers.h"
#include "llvm/TargetParser/Triple.h"

namespace tenon::cpu {
using namespace mlir;

constexpr int64_t kValues = 256; // of a table
constexpr int64_t kWide = 64;    // bytes of AVX-512's registers

static bool has(const Target &target, StringRef feature) { return llvm::is_contained(target.required, feature); }

bool hasByteRegisters(const Target &target) {
  if (!llvm::Triple(target.triple).isX86())
    return false;
  return target.vectorBytes == kWide ? has(target, "avx512bw") : target.vectorBytes == kWide / 2 && has(target, "avx2");
}

static Value intrinsic(KernelBuilder &b, StringRef name, Type result, ValueRange operands) {
  return LLVM::CallIntrinsicOp::create(b.ops(), result, b.ops().getStringAttr(name), operands)->getResult(0);
}

/// A register of integers.
static VectorType registerOf(KernelBuilder &b, unsigned bits) { return VectorType::get({b.target().lanes(bits)}, b.ops().getIntegerType(bits)); }

static Value bitcast(KernelBuilder &b, Value x, VectorType to) { return vector::BitCastOp::create(b.ops(), to, x); }

/// Rounds to even. What is no number of 32 bits becomes the lowest one.
static Value roundedIntegers(KernelBuilder &b, Value x) {
  VectorType integers = registerOf(b, 32);
  if (b.target().vectorBytes != kWide)
    return intrinsic(b, "llvm.x86.avx.cvt.ps2dq.256", integers, x);
  constexpr int32_t kAsSet = 4; // the rounding that the processor is set to
  ImplicitLocOpBuilder &ops = b.ops();
  Value all = arith::ConstantOp::create(ops, ops.getI16IntegerAttr(-1)), rounding = arith::ConstantOp::create(ops, ops.getI32IntegerAttr(kAsSet));
  return intrinsic(b, "llvm.x86.avx512.mask.cvtps2dq.512", integers, {x, b.integer(0, integers), all, rounding});
}

Value quantizeTogether(KernelBuilder &b, nn::QuantizeOp op, ArrayRef<Value> numbers) {
  assert(numbers.size() == kTogether);
  Registers r{b};
  bool isUnsigned = op.getTo().isUnsignedInteger(), isWide = b.target().vectorBytes == kWide;
  int64_t zeroPoint = op.getZeroPoint(), high = isUnsigned ? 255 : 127;
  VectorType integers = registerOf(b, 32), halves = registerOf(b, 16), bytes = registerOf(b, 8);
  // Only numbers that are too high need a bound: what is too low, or NaN, becomes the lowest integer, which the packs take for a low number.
  auto rounded = [&](Value x) { return roundedIntegers(b, r.atMost(x, r.c(high - zeroPoint, x))); };
  auto pair = [&](Value x, Value y) {
    Value packed = intrinsic(b, isWide ? "llvm.x86.avx512.packssdw.512" : "llvm.x86.avx2.packssdw", halves, {rounded(x), rounded(y)});
    StringRef add = isWide ? "llvm.sadd.sat.v32i16" : "llvm.sadd.sat.v16i16";
    return zeroPoint ? intrinsic(b, add, halves, {packed, r.integer(zeroPoint, halves)}) : packed;
  };
  StringRef pack = isUnsigned ? (isWide ? "llvm.x86.avx512.packuswb.512" : "llvm.x86.avx2.packuswb") : (isWide ? "llvm.x86.avx512.packsswb.512" : "llvm.x86.avx2.packsswb");
  Value fours = bitcast(b, intrinsic(b, pack, bytes, {pair(numbers[0], numbers[1]), pair(numbers[2], numbers[3])}), integers);
  // The packs work within parts of 128 bits: each holds four bytes of every number's register.
  SmallVector<int64_t> order;
  int64_t parts = integers.getNumElements() / kTogether;
  for (int64_t number = 0; number < kTogether; ++number)
    for (int64_t part = 0; part < parts; ++part)
      order.push_back(part * kTogether + number);
  return bitcast(b, vector::ShuffleOp::create(b.ops(), fours, fours, order), bytes);
}

/// The table as four registers: vpermi2b looks up 128 values at once.
static Value lookUpInRegisters(KernelBuilder &b, const Tensor &table, Value x) {
  Registers r{b};
  auto half = [&](int64_t first) {
    return intrinsic(b, "llvm.x86.avx512.vpermi2var.qi.512", x.getType(), {b.load(table, first, kWide), x, b.load(table, first + kWide, kWide)});
  };
  Value isHigh = r.cmp(arith::CmpIPredicate::slt, x, r.integer(0, x.getType()));
  return r.select(isHigh, half(kValues / 2), half(0));
}

Value lookUpTogether(KernelBuilder &b, nn::LookupOp op, Value x) {
  constexpr int64_t kHalf = kValues / 2, kRow = 16; // a shuffle looks up among 16 values, and gives 0 where the index is negative
  ImplicitLocOpBuilder &ops = b.ops();
  Registers r{b};
  auto contents = cast<DenseElementsAttr>(op.getTable());
  VectorType bytes = registerOf(b, 8);
  bool isWide = bytes.getNumElements() == kWide;
  if (isWide && has(b.target(), "avx512vbmi")) {
    Tensor table = b.table(contents);
    table.element = ops.getI8Type();
    return lookUpInRegisters(b, table, x);
  }
  // Row i of the table is taken at x - 16 i, so that an index which lies further up meets every row before its own: rows hold the difference from the row
  // before, and the sum (by exclusive or) of all rows up to the own one is the value.
  SmallVector<int8_t> values;
  for (APInt value : contents.getValues<APInt>())
    values.push_back(int8_t(value.getZExtValue()));
  SmallVector<int8_t> rows(values);
  for (int64_t i = 0; i < kValues; ++i)
    if (i % kHalf >= kRow)
      rows[i] ^= values[i - kRow];
  Tensor table = b.table(DenseElementsAttr::get(RankedTensorType::get({kValues}, ops.getI8Type()), ArrayRef<int8_t>(rows)));
  SmallVector<int64_t> repeated;
  for (int64_t i = 0; i < bytes.getNumElements(); ++i)
    repeated.push_back(i % kRow);
  Value found, step = r.integer(kRow, bytes);
  // Each half of the table sees the other half's indices as negative ones, which saturation keeps so.
  for (int64_t half : {int64_t(0), kHalf}) {
    Value index = half ? r.xori(x, r.integer(-kHalf, bytes)) : x;
    for (int64_t first = half; first < half + kHalf; first += kRow) {
      if (first != half)
        index = intrinsic(b, isWide ? "llvm.ssub.sat.v64i8" : "llvm.ssub.sat.v32i8", bytes, {index, step});
      Value row = b.load(table, first, kRow);
      Value all = vector::ShuffleOp::create(ops, row, row, repeated);
      Value part = intrinsic(b, isWide ? "llvm.x86.avx512.pshuf.b.512" : "llvm.x86.avx2.pshuf.b", bytes, {all, index});
      found = found ? r.xori(found, part) : part;
    }
  }
  return found;
}

Value partOf(KernelBuilder &b, Value lanes, int64_t first, int64_t count) {
  if (first == 0 && count == cast<VectorType>(lanes.getType()).getNumElements())
    return lanes;
  return vector::ExtractStridedSliceOp::create(b.ops(), lanes, ArrayRef<int64_t>{first}, ArrayRef<int64_t>{count}, ArrayRef<int64_t>{1});
}

} // namespace tenon::cpu
