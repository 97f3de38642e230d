#include "passes/6_codegen/cpu/DotBytes.h"
#include "passes/6_codegen/cpu/Registers.h"
#include "llvm/TargetParser/Triple.h"

namespace tenon::cpu {
using namespace mlir;

constexpr int64_t kFour = 4;

static bool isX86(const Target &target) { return llvm::Triple(target.triple).isX86(); }

bool multipliesFours(const Target &target) { return isX86(target) ? target.vnni : llvm::is_contained(target.required, "i8mm"); }

bool isBytes(Value tensor) {
  Type element = cast<RankedTensorType>(tensor.getType()).getElementType();
  return element.isInteger() && element.getIntOrFloatBitWidth() == 8;
}

static bool isUnsigned(Value tensor) { return cast<RankedTensorType>(tensor.getType()).getElementType().isUnsignedInteger(); }

/// The number that a pad adds, if it is a known one.
static std::optional<int64_t> valueOf(nn::PadOp pad) {
  if (!pad.getValue())
    return 0;
  auto constant = pad.getValue().getDefiningOp<nn::ConstantOp>();
  auto contents = constant ? dyn_cast<DenseElementsAttr>(constant.getValue()) : DenseElementsAttr();
  if (!contents || contents.getNumElements() != 1)
    return std::nullopt;
  return (*contents.value_begin<APInt>()).getZExtValue();
}

/// Makes a pad of the spatial axes part of the problem.
static bool takePad(ContractionProblem &p) {
  auto pad = p.lhs.getDefiningOp<nn::PadOp>();
  if (!pad)
    return true;
  std::optional<int64_t> value = valueOf(pad);
  if (p.padded || !value || pad.getMode() != nn::PadMode::Constant)
    return false;
  for (auto [axis, low, high] : llvm::enumerate(pad.getLow().dims(), pad.getHigh().dims())) {
    std::optional<int64_t> before = low.asConstant(), after = high.asConstant();
    if (!before || !after || *before < 0 || *after < 0 || ((*before || *after) && p.lhsAxes[axis].tapAxis < 0))
      return false;
    p.lhsAxes[axis].shift -= *before;
  }
  p.lhs = pad.getInput();
  p.padded = true;
  p.outside = *value;
  return true;
}

bool hasPlainWeights(const ContractionProblem &p) {
  auto weight = cast<RankedTensorType>(p.rhs.getType());
  bool isPlain = !p.taps.empty() || (weight.getRank() == 2 && p.lhsChannel + 1 == int(p.lhsAxes.size()));
  return isPlain && weight.hasStaticShape();
}

bool liesInUnits(const ContractionProblem &p, int64_t count) {
  kernel::View view = kernel::viewOf(p.lhs);
  nn::Dim unit = nn::Dim::constant(p.anchor->getContext(), count);
  if (!isa<BlockArgument>(view.source) || !view.strides[p.lhsChannel].isConstant(1) || !view.offset.dividedExactlyBy(unit))
    return false;
  for (auto [axis, stride] : llvm::enumerate(view.strides))
    if (int(axis) != p.lhsChannel && !stride.dividedExactlyBy(unit))
      return false;
  return true;
}

bool countInFours(ContractionProblem &p) {
  std::optional<int64_t> depth = p.depth.asConstant();
  if (!isUnsigned(p.lhs) || isUnsigned(p.rhs) || !isBytes(p.rhs) || p.groups != 1 || !depth || *depth == 0 || !hasPlainWeights(p) || !takePad(p))
    return false;
  p.woven = *depth < kFour && p.tapCount() > 1;
  if (p.woven) {
    p.dot = kFour;
    p.depth = nn::Dim::constant(p.anchor->getContext(), 1);
    return isa<BlockArgument>(kernel::viewOf(p.lhs).source) || p.lhs.getDefiningOp<nn::QuantizeOp>(); // bytes that a stem makes on its way
  }
  if (*depth % kFour || !liesInUnits(p, kFour))
    return false;
  p.dot = kFour;
  p.depth = nn::Dim::constant(p.anchor->getContext(), *depth / kFour);
  return true;
}

Tensor inUnits(KernelBuilder &b, Tensor narrow, int64_t count) {
  Tensor units = narrow;
  units.element = b.ops().getIntegerType(unsigned(count) * narrow.element.getIntOrFloatBitWidth());
  units.offset = b.div(narrow.offset, count);
  for (int axis = 0; axis + 1 < narrow.rank(); ++axis)
    units.strides[axis] = b.div(narrow.strides[axis], count);
  units.sizes.back() = b.div(narrow.sizes.back(), count);
  return units;
}

Tensor inFours(KernelBuilder &b, Tensor bytes) { return inUnits(b, bytes, kFour); }

Value fourOf(KernelBuilder &b, int64_t byte) { return b.integer(int32_t(uint32_t(byte) * 0x01010101u), b.ops().getI32Type()); }

bool dotFitsRegisters(const Target &target, int64_t rows, int64_t vectors) { return rows * vectors + vectors + 1 <= target.vectorRegisters; }

kernel::PackingAttr dotPacking(const ContractionProblem &p, int64_t panels, int64_t width) {
  int64_t depth = p.joined ? *p.lhsChannels().asConstant() : *p.depth.asConstant(), padded = panels * width;
  SmallVector<int64_t> taps = p.taps;
  if (p.joined)
    taps.push_back(p.joined);
  // The axes of the split: panel, column, k; each comes in the order of the tensor.
  SmallVector<int64_t> column{panels, width}, group{depth, p.dot};
  bool columnFirst = p.rhsColumn < p.rhsDepth;
  SmallVector<int64_t> split(columnFirst ? column : group);
  llvm::append_range(split, columnFirst ? group : column);
  int64_t firstColumn = columnFirst ? 0 : group.size(), firstDepth = columnFirst ? column.size() : 0;
  SmallVector<int64_t> shape = columnFirst ? SmallVector<int64_t>{padded, depth * p.dot} : SmallVector<int64_t>{depth * p.dot, padded};
  SmallVector<int64_t> order{firstColumn};
  for (int64_t size : taps) {
    shape.push_back(size);
    order.push_back(split.size());
    split.push_back(size);
  }
  order.append({firstDepth, firstColumn + 1, firstDepth + 1});
  return kernel::PackingAttr::get(p.anchor->getContext(), shape, split, order);
}

// --- the multiply-add

/// The same bits as a vector of narrower or wider elements.
static Value split(KernelBuilder &b, Value x, Type to) { return vector::BitCastOp::create(b.ops(), cast<VectorType>(to), x); }

static Value intrinsic(KernelBuilder &b, StringRef name, Type result, ValueRange operands) {
  return LLVM::CallIntrinsicOp::create(b.ops(), result, b.ops().getStringAttr(name), operands)->getResult(0);
}

/// sum of both products of each pair of 16-bit integers.
static Value multiplyPairs(KernelBuilder &b, Value x, Value w, VectorType sums) {
  if (isX86(b.target())) {
    int64_t lanes = sums.getNumElements();
    StringRef name = lanes == 16 ? "llvm.x86.avx512.pmaddw.d.512" : lanes == 8 ? "llvm.x86.avx2.pmadd.wd" : "llvm.x86.sse2.pmadd.wd";
    return intrinsic(b, name, sums, {x, w});
  }
  Registers r{b};
  auto products = [&](bool high) { // of one of each pair: a lane of 32 bits holds both
    auto part = [&](Value v) {
      Value wide = split(b, v, sums);
      return r.shrSigned(high ? wide : r.shl(wide, 16), 16);
    };
    return r.muli(part(x), part(w));
  };
  return r.addi(products(false), products(true));
}

/// The same sum, of which the optimizer does not know what it is: it would add the products of unrolled steps first, and spill accumulators for them.
static Value inThisOrder(KernelBuilder &b, Value sum) {
  StringRef anyRegister = cast<VectorType>(sum.getType()).getNumElements() == 16 ? "=v,0" : "=x,0";
  return LLVM::InlineAsmOp::create(b.ops(), sum.getType(), sum, "", anyRegister, /*has_side_effects=*/false, /*is_align_stack=*/false,
                                   LLVM::tailcallkind::TailCallKind::None, LLVM::AsmDialectAttr(), ArrayAttr())
      ->getResult(0);
}

Value emitPairs(KernelBuilder &b, Value x, Value w, Value acc) {
  auto sums = cast<VectorType>(acc.getType());
  Type pairs = VectorType::get({2 * sums.getNumElements()}, b.ops().getI16Type());
  Value sum = Registers{b}.addi(acc, multiplyPairs(b, split(b, x, pairs), split(b, w, pairs), sums));
  return isX86(b.target()) ? inThisOrder(b, sum) : sum;
}

Value emitFoursIn16(KernelBuilder &b, Value x, Value w, Value sums) {
  int64_t lanes = cast<VectorType>(x.getType()).getNumElements();
  Type bytes = VectorType::get({kFour * lanes}, b.ops().getI8Type()), pairs = VectorType::get({2 * lanes}, b.ops().getI16Type());
  Value products = intrinsic(b, "llvm.x86.avx2.pmadd.ub.sw", pairs, {split(b, x, bytes), split(b, w, bytes)});
  return sums ? inThisOrder(b, Registers{b}.addi(sums, products)) : products;
}

Value emitSumOf16(KernelBuilder &b, Value sums, Value acc) {
  Registers r{b};
  return inThisOrder(b, r.addi(acc, multiplyPairs(b, sums, r.integer(1, sums.getType()), cast<VectorType>(acc.getType()))));
}

Value emitDot(KernelBuilder &b, Value x, Value w, Value acc) {
  auto sums = cast<VectorType>(acc.getType());
  int64_t lanes = sums.getNumElements();
  StringRef name = !isX86(b.target()) ? "llvm.aarch64.neon.usdot.v4i32.v16i8" : lanes == 16 ? "llvm.x86.avx512.vpdpbusd.512" : "llvm.x86.avx512.vpdpbusd.256";
  Type bytes = VectorType::get({kFour * lanes}, b.ops().getI8Type());
  return intrinsic(b, name, sums, {acc, split(b, x, bytes), split(b, w, bytes)});
}

} // namespace tenon::cpu
