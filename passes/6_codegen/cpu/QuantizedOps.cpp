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

// A sum with this number is rounded to an integer, halves to even, which its last bits are; conversions are slower than sums on GPUs.
constexpr double kMagic = 12582912; // 1.5 * 2^23
constexpr int64_t kMagicBits = 0x4b400000;

/// The nearest integers, halves to even, of numbers far from the borders of i32.
static Value nearestIntegers(KernelBuilder &b, Value x) {
  Registers r{b};
  ImplicitLocOpBuilder &ops = b.ops();
  Type integers = r.like(x, ops.getI32Type());
  auto vector = dyn_cast<VectorType>(x.getType());
  if (b.target().isGpu()) {
    Value bits = r.bits(r.add(x, kMagic));
    return r.subi(bits, r.integer(kMagicBits, bits.getType()));
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

/// What becomes the steps above the zero point when it is rounded.
static Value inRange(KernelBuilder &b, nn::QuantizeOp op, Value x) {
  Registers r{b};
  int64_t zeroPoint = op.getZeroPoint(), low = op.getTo().isUnsignedInteger() ? 0 : -128;
  // The bounds are integers: it makes no difference whether they come before or after rounding. NaN is not above the lower one, and becomes it.
  Value lowest = r.c(low - zeroPoint, x), notBelow = r.select(r.cmp(arith::CmpFPredicate::OGT, x, lowest), x, lowest);
  return r.atMost(notBelow, r.c(low + 255 - zeroPoint, x));
}

static bool isFloatOnGpu(KernelBuilder &b, Value x) { return b.target().isGpu() && getElementTypeOrSelf(x).isF32(); }

Value emitSteps(KernelBuilder &b, nn::QuantizeOp op, Value x) {
  Value clamped = inRange(b, op, x);
  if (isFloatOnGpu(b, x))
    return Registers{b}.sub(Registers{b}.add(clamped, kMagic), kMagic);
  return arith::SIToFPOp::create(b.ops(), x.getType(), nearestIntegers(b, clamped));
}

/// Bytes of two words by their numbers: those of the second begin with 4. The number of the first byte is the last digit.
static Value permuteBytes(KernelBuilder &b, Value x, Value y, int64_t numbers) {
  Type word = b.ops().getI32Type();
  return intrinsic(b, "llvm.nvvm.prmt", word, {x, y, b.integer(numbers, word)});
}

static Value bytesOf(KernelBuilder &b, ArrayRef<Value> words) {
  int64_t count = int64_t(words.size());
  Value all = vector::FromElementsOp::create(b.ops(), VectorType::get({count}, b.ops().getI32Type()), words);
  return split(b, all, VectorType::get({count * 4}, b.ops().getI8Type()));
}

/// The lowest bytes of four words at a time.
static Value lowestBytes(KernelBuilder &b, Value words) {
  int64_t lanes = cast<VectorType>(words.getType()).getNumElements();
  SmallVector<Value> packed;
  for (int64_t i = 0; i < lanes; i += 4) {
    Value low = permuteBytes(b, b.extractLane(words, i), b.extractLane(words, i + 1), 0x0040);
    Value high = permuteBytes(b, b.extractLane(words, i + 2), b.extractLane(words, i + 3), 0x0040);
    packed.push_back(permuteBytes(b, low, high, 0x5410));
  }
  return bytesOf(b, packed);
}

/// Whether a GPU has these lanes in whole words of bytes.
static bool isOfWords(KernelBuilder &b, Value x) {
  auto vector = dyn_cast<VectorType>(x.getType());
  return b.target().isGpu() && vector && vector.getNumElements() % 4 == 0;
}

constexpr double kOneBesideByte = 8388608; // 2^23

Value emitFromBytes(KernelBuilder &b, Value bytes, bool isUnsigned) {
  if (!isOfWords(b, bytes))
    return {};
  // The byte as the last bits of 2^23, from which that is subtracted again.
  constexpr int64_t kExponent = 0x4b000000, kSigns = 0x80808080, kWithByte = 0x7540;
  constexpr double kSign = 128;
  Registers r{b};
  int64_t lanes = cast<VectorType>(bytes.getType()).getNumElements();
  Value words = split(b, bytes, VectorType::get({lanes / 4}, b.ops().getI32Type())), exponent = b.integer(kExponent, b.ops().getI32Type());
  if (!isUnsigned)
    words = r.xori(words, r.integer(int32_t(kSigns), words.getType()));
  SmallVector<Value> all;
  for (int64_t i = 0; i < lanes; ++i)
    all.push_back(permuteBytes(b, b.extractLane(words, i / 4), exponent, kWithByte + i % 4));
  Value bits = vector::FromElementsOp::create(b.ops(), VectorType::get({lanes}, b.ops().getI32Type()), all);
  return r.sub(r.asFloat(bits), isUnsigned ? kOneBesideByte : kOneBesideByte + kSign);
}

Value emitWithBytes(KernelBuilder &b, Operation *op, Value x) {
  constexpr float kSmallest = 1e-30f, kLargest = 1e30f, kMostZeroPoint = 255;
  auto bytes = op->getOperand(0).getDefiningOp<nn::CastOp>();
  auto constant = op->getNumOperands() == 2 ? op->getOperand(1).getDefiningOp<nn::ConstantOp>() : nn::ConstantOp();
  auto contents = constant ? dyn_cast<DenseElementsAttr>(constant.getValue()) : DenseElementsAttr();
  if (!isFloatOnGpu(b, x) || !bytes || !getElementTypeOrSelf(bytes.getInput()).isInteger(8) || !contents || contents.getNumElements() != 1)
    return {};
  auto difference = x.getDefiningOp<arith::SubFOp>(); // of emitFromBytes
  APFloat exponent(0.0f);
  if (!difference || !matchPattern(difference.getRhs(), m_ConstantFloat(&exponent)))
    return {};
  Registers r{b};
  double one = exponent.convertToDouble();
  float y = (*contents.value_begin<APFloat>()).convertToFloat();
  if (isa<nn::SubOp>(op) && y >= 0 && y <= kMostZeroPoint && y == std::floor(y))
    return r.sub(difference.getLhs(), one + y);
  if (isa<nn::MulOp>(op) && one == kOneBesideByte && y >= kSmallest && y <= kLargest) // times a power of two: exact
    return r.fma(difference.getLhs(), y, r.c(-one * y, x));
  return {};
}

/// The largest magnitude that a value of bytes, and of sums of their products, can have; none where there is no telling.
static std::optional<double> largest(Value value) {
  constexpr double kUnsigned = 255, kSigned = 128, kWord = 2147483648;
  Operation *op = value.getDefiningOp();
  Type element = getElementTypeOrSelf(value);
  if (element.isInteger(8))
    return element.isUnsignedInteger() ? kUnsigned : kSigned;
  if (auto constant = dyn_cast_if_present<nn::ConstantOp>(op)) {
    auto contents = dyn_cast<DenseElementsAttr>(constant.getValue());
    if (!contents || !element.isF32())
      return std::nullopt;
    double most = 0;
    for (const APFloat &x : contents.getValues<APFloat>())
      most = std::max(most, x.isFinite() ? std::abs(x.convertToDouble()) : HUGE_VAL);
    return most;
  }
  if (auto conv = dyn_cast_if_present<nn::ConvOp>(op)) {
    auto filter = dyn_cast<RankedTensorType>(conv.getWeight().getType());
    bool isOfBytes = getElementTypeOrSelf(conv.getInput()).isInteger(8) && filter && filter.getElementType().isInteger(8) && filter.hasStaticShape();
    if (isOfBytes && !conv.getBias())
      return double(filter.getNumElements() / filter.getDimSize(0)) * *largest(conv.getInput()) * *largest(conv.getWeight());
  }
  if (element.isSignlessInteger(32))
    return kWord;
  if (isa_and_present<nn::CastOp>(op) && element.isF32() && getElementTypeOrSelf(op->getOperand(0)).isInteger())
    return largest(op->getOperand(0));
  if (!isa_and_present<nn::AddOp, nn::SubOp, nn::MulOp>(op) || !element.isF32())
    return std::nullopt;
  std::optional<double> x = largest(op->getOperand(0)), y = largest(op->getOperand(1));
  if (!x || !y)
    return std::nullopt;
  return isa<nn::MulOp>(op) ? *x * *y : *x + *y;
}

static Value instructions(KernelBuilder &b, StringRef text, StringRef constraints, ValueRange operands) {
  auto op = LLVM::InlineAsmOp::create(b.ops(), TypeRange{b.ops().getI32Type()}, operands, text, constraints, /*has_side_effects=*/false,
                                      /*is_align_stack=*/false, LLVM::tailcallkind::TailCallKind::None, LLVM::AsmDialectAttr(), ArrayAttr());
  return op->getResult(0);
}

/// Integers of 16 bits, two of a word, and what is added to both; held from 0 to 255.
static Value holdPair(KernelBuilder &b, Value pair, int64_t added) {
  Type word = pair.getType();
  Value most = b.integer(0x00ff00ff, word);
  if (!added)
    return instructions(b, "min.relu.s16x2 $0, $1, $2;", "=r,r,r", {pair, most});
  Value both = b.integer(added << 16 | added, word);
  return instructions(b, "{ .reg .b32 sum; add.s16x2 sum, $1, $3; min.relu.s16x2 $0, sum, $2; }", "=r,r,r,r", {pair, most, both});
}

/// Four integers of 32 bits as bytes from 0 to 255.
static Value holdFour(KernelBuilder &b, ArrayRef<Value> four) {
  StringRef text = "{ .reg .b32 high; cvt.pack.sat.u8.s32.b32 high, $4, $3, 0; cvt.pack.sat.u8.s32.b32 $0, $2, $1, high; }";
  return instructions(b, text, "=r,r,r,r,r", four);
}

/// Numbers that are held to what a byte can be after a sum has rounded them, which takes fewer instructions: no infinities, nor NaN. `arePairs`:
/// integers of 16 bits, of which an instruction holds two.
static Value quantizeRounded(KernelBuilder &b, nn::QuantizeOp op, Value x, bool arePairs) {
  constexpr int64_t kLowHalves = 0x5410, kEvenBytes = 0x6420, kSigns = 0x80808080;
  Registers r{b};
  bool isSigned = !op.getTo().isUnsignedInteger();
  int64_t above = int64_t(op.getZeroPoint()) + (isSigned ? 128 : 0); // the lowest byte
  int64_t odd = above & 1;                                           // that an even number is added before rounding changes no tie
  Value bits = r.bits(r.add(x, arePairs ? kMagic + double(above - odd) : kMagic));
  if (!arePairs)
    bits = r.addi(bits, r.integer(above - kMagicBits, bits.getType()));
  auto pairAt = [&](int64_t lane) { return holdPair(b, permuteBytes(b, b.extractLane(bits, lane), b.extractLane(bits, lane + 1), kLowHalves), odd); };
  int64_t lanes = cast<VectorType>(x.getType()).getNumElements();
  SmallVector<Value> words;
  for (int64_t first = 0; first < lanes; first += 4) {
    auto four = llvm::map_to_vector(llvm::seq<int64_t>(first, first + 4), [&](int64_t lane) { return b.extractLane(bits, int(lane)); });
    Value word = arePairs ? permuteBytes(b, pairAt(first), pairAt(first + 2), kEvenBytes) : holdFour(b, four);
    words.push_back(isSigned ? r.xori(word, r.integer(int32_t(kSigns), word.getType())) : word);
  }
  return bytesOf(b, words);
}

Value emitQuantize(KernelBuilder &b, nn::QuantizeOp op, Value x) {
  if (fillsByteRegister(b, x) && getElementTypeOrSelf(x).isF32())
    return quantizeRegisters(b, op, x);
  Registers r{b};
  if (isFloatOnGpu(b, x) && isOfWords(b, x)) {
    constexpr int kFirstWithPairs = 90;
    constexpr double kMostOfPair = 32000, kMostOfSum = 4e6; // and a zero point, and what roundings add
    std::optional<double> most = b.target().computeCapability >= kFirstWithPairs ? largest(op.getInput()) : std::nullopt;
    if (most && *most <= kMostOfPair)
      return quantizeRounded(b, op, x, /*arePairs=*/true);
    if (most && *most <= kMostOfSum)
      return quantizeRounded(b, op, x, /*arePairs=*/false);
    // An even zero point is part of the sum that rounds: halves still go to even integers.
    int64_t zeroPoint = op.getZeroPoint(), odd = zeroPoint & 1;
    Value bits = r.bits(r.add(inRange(b, op, x), kMagic + double(zeroPoint - odd)));
    return lowestBytes(b, odd ? r.addi(bits, r.integer(1, bits.getType())) : bits);
  }
  Value steps = nearestIntegers(b, inRange(b, op, x));
  if (int64_t zeroPoint = op.getZeroPoint())
    steps = r.addi(steps, r.integer(zeroPoint, steps.getType()));
  return r.truncate(steps, r.like(x, b.ops().getI8Type()));
}

/// Two neighbours share a reciprocal, 1 / a = b / (a b): a GPU's unit for functions is the narrowest part of such a kernel. Below -43 the result is 0 to 17
/// digits, and the products must not overflow. One that is NaN would make its neighbour NaN: sums of integers never are.
Value emitSiluOfSums(KernelBuilder &b, nn::SiluOp op, Value x) {
  auto vector = dyn_cast<VectorType>(x.getType());
  auto scaled = op.getInput().getDefiningOp<nn::MulOp>();
  auto sum = scaled ? scaled.getLhs().getDefiningOp<nn::CastOp>() : nn::CastOp();
  bool isOfIntegers = sum && getElementTypeOrSelf(sum.getInput()).isInteger();
  if (!b.target().isGpu() || !isOfIntegers || !vector || !vector.getElementType().isF32() || vector.getNumElements() % 2)
    return {};
  constexpr double kLog2e = 1.4426950408889634;
  Registers r{b};
  Type f32 = vector.getElementType();
  x = r.atLeast(x, r.c(-43, x));
  auto divisor = [&](Value y) { return r.add(intrinsic(b, "llvm.nvvm.ex2.approx.ftz.f", f32, r.mul(y, -kLog2e)), 1.0); };
  SmallVector<Value> results;
  for (int lane = 0; lane < vector.getNumElements(); lane += 2) {
    Value first = b.extractLane(x, lane), second = b.extractLane(x, lane + 1), one = divisor(first), other = divisor(second);
    Value both = intrinsic(b, "llvm.nvvm.rcp.approx.ftz.f", f32, r.mul(one, other));
    results.push_back(r.mul(first, r.mul(both, other)));
    results.push_back(r.mul(second, r.mul(both, one)));
  }
  return vector::FromElementsOp::create(b.ops(), vector, results);
}

/// With the reciprocal rounded once, two corrections by exact remainders make the quotient the nearest one (Markstein), unless all bits of the divisor are
/// ones. Quotients beyond what nn.quantize saturates become others as large, so that nothing overflows.
Value emitSteps(KernelBuilder &b, nn::DivOp op, Value x, bool isClamped) {
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
  if (isClamped) { // a bound's quotient is next to an integer, and rounds to it
    auto quantize = cast<nn::QuantizeOp>(*op->user_begin());
    float low = float((quantize.getTo().isUnsignedInteger() ? 0 : -128) - int64_t(quantize.getZeroPoint()));
    Value lowest = r.c(low * divisor, x);
    x = r.atMost(r.select(r.cmp(arith::CmpFPredicate::OGT, x, lowest), x, lowest), r.c((low + 255) * divisor, x));
  } else {
    x = r.clamp(x, -kMostSteps * divisor, kMostSteps * divisor);
  }
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
