#include "passes/3_fuse/FusionRules.h"
#include "dialects/kernel/ProductMarks.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;

namespace tenon::fuse {

Anchor anchorOf(Operation *op) {
  if (op->hasTrait<nn::Elementwise>())
    return Anchor::Elementwise;
  return TypeSwitch<Operation *, Anchor>(op)
      .Case<nn::ConvOp, nn::MatMulOp>([](auto) { return Anchor::Contraction; })
      .Case<nn::AttentionOp>([](auto) { return Anchor::Attention; })
      .Case<nn::SoftmaxOp, nn::LayerNormOp, nn::RMSNormOp, nn::ReduceOp, nn::ArgReduceOp, nn::CumSumOp>([](auto) { return Anchor::Rows; })
      .Case<nn::PoolOp, nn::ResizeOp, nn::GridSampleOp, nn::ConvTransposeOp>([](auto) { return Anchor::Window; })
      .Case<nn::GatherOp, nn::GatherElementsOp, nn::GatherNDOp>([](auto) { return Anchor::Lookup; })
      .Case<nn::ConcatOp, nn::SliceOp, nn::TransposeOp, nn::ExpandOp, nn::PadOp, nn::TileOp, nn::DepthToSpaceOp, nn::SpaceToDepthOp>(
          [](auto) { return Anchor::Move; })
      .Default(Anchor::Other);
}

bool isView(Operation *op) { return isa_and_nonnull<nn::TransposeOp, nn::SliceOp, nn::ExpandOp>(op); }

namespace {
struct Rule {
  bool epilogue; // elementwise ops of the result, read and written at the same position
  bool prologue; // elementwise ops of the first operand
  bool views;    // operands through strides
};
/// The table. What a family cannot inline falls to the general road: right, but slow; so this says what families can.
Rule ruleOf(Anchor anchor) {
  switch (anchor) {
  case Anchor::Elementwise:
    return {true, false, true};
  case Anchor::Contraction:
    return {true, true, true};
  case Anchor::Attention:
    return {false, false, true};
  case Anchor::Rows:
    return {true, true, true};
  case Anchor::Window:
    return {true, false, true};
  case Anchor::Lookup:
    return {true, false, false};
  case Anchor::Move:
    return {false, false, true};
  case Anchor::Other:
    return {false, false, false};
  }
  return {false, false, false};
}

/// Whether a reduction, softmax or norm runs along the last axes, so that a row is contiguous.
bool isAlongRows(Operation *op) {
  int64_t rank = cast<RankedTensorType>(op->getOperand(0).getType()).getRank();
  if (auto reduce = dyn_cast<nn::ReduceOp>(op)) {
    SmallVector<int64_t> axes(reduce.getAxes());
    llvm::sort(axes);
    for (auto [i, axis] : llvm::enumerate(axes))
      if (axis != rank - int64_t(axes.size()) + int64_t(i))
        return false;
    return !axes.empty();
  }
  if (auto softmax = dyn_cast<nn::SoftmaxOp>(op))
    return int64_t(softmax.getAxis()) == rank - 1;
  return isa<nn::LayerNormOp, nn::RMSNormOp>(op);
}

/// A convolution that reads every input element once for each output channel panel, so that work at the load is not repeated
/// for taps: 1x1, stride 1, no padding (a prologue need not give zero for padding).
bool readsOnce(Operation *anchor) {
  auto conv = dyn_cast<nn::ConvOp>(anchor);
  if (!conv)
    return isa<nn::MatMulOp>(anchor);
  auto isAll = [](ArrayRef<int64_t> list, int64_t value) { return llvm::all_of(list, [&](int64_t v) { return v == value; }); };
  return conv.getGroups() == 1 && isAll(cast<RankedTensorType>(conv.getWeight().getType()).getShape().drop_front(2), 1) &&
         isAll(conv.getPads(), 0) && isAll(conv.getStrides(), 1);
}

/// A concat of large operands, each of which is written to its place alone as fast as together with the others; what it is made of is free the earlier.
bool isLargeConcat(Operation *op) {
  constexpr int64_t kLargeBits = int64_t(8) * (4 << 20);
  return isa<nn::ConcatOp>(op) && llvm::any_of(op->getOperandTypes(), [](Type type) {
           auto tensor = cast<RankedTensorType>(type);
           return tensor.hasStaticShape() && tensor.getNumElements() * tensor.getElementTypeBitWidth() > kLargeBits;
         });
}

/// Bytes as floats.
bool isByteCast(Value value) {
  auto cast = value.getDefiningOp<nn::CastOp>();
  Type from = cast ? getElementTypeOrSelf(cast.getInput().getType()) : Type();
  return cast && cast.getTo().isF32() && from.isInteger() && from.getIntOrFloatBitWidth() == 8;
}

/// Bytes as floats, or those less one constant.
bool isDecoded(Value value) {
  auto sub = value.getDefiningOp<nn::SubOp>();
  auto constant = sub ? sub.getRhs().getDefiningOp<nn::ConstantOp>() : nn::ConstantOp();
  bool isCentred = constant && cast<RankedTensorType>(constant.getType()).getNumElements() == 1 && isByteCast(sub.getLhs()) && sub.getLhs().hasOneUse();
  return isCentred || isByteCast(value);
}

constexpr int64_t kImageChannels = 4;

/// A convolution of an image, whose elements it gathers one by one wherever they lie.
bool readsImage(Operation *anchor) {
  auto conv = dyn_cast<nn::ConvOp>(anchor);
  auto channels = conv ? nn::dimsOf(conv.getInput().getType()).back().asConstant() : std::nullopt;
  return channels && *channels <= kImageChannels && conv.getGroups() == 1;
}

bool isDepthwise(Operation *anchor) {
  auto conv = dyn_cast<nn::ConvOp>(anchor);
  auto weight = conv ? cast<RankedTensorType>(conv.getWeight().getType()) : RankedTensorType();
  return conv && conv.getGroups() > 1 && weight.hasStaticShape() && weight.getDimSize(1) == 1 && weight.getDimSize(0) == int64_t(conv.getGroups()) &&
         conv.getLayout() == nn::Layout::ChannelsLast && weight.getRank() <= 4;
}

/// Bytes, and floats of 8 bits, are multiplied as they lie in memory.
bool readsBytes(Operation *anchor) {
  Type element = cast<RankedTensorType>(anchor->getOperand(0).getType()).getElementType();
  return element.isIntOrFloat() && element.getIntOrFloatBitWidth() == 8;
}

/// Of bf16 that CPUs multiply in pairs, as they lie in memory.
bool readsPairs(Operation *anchor) { return anchor->hasAttr(kernel::kBf16PairsAttr) && isa<nn::ConvOp, nn::MatMulOp>(anchor); }

/// Widens what such products read, for another reader.
bool isWidening(Operation *op) {
  auto cast = dyn_cast<nn::CastOp>(op);
  return cast && cast->hasAttr(kernel::kBf16PairsAttr) && cast.getTo().isF32();
}

/// Ops cheap enough to be repeated for every panel of columns.
bool isCheap(Operation *op) {
  return isa<nn::MulOp, nn::AddOp, nn::SubOp, nn::ReluOp, nn::ClipOp, nn::CastOp, nn::NegOp, nn::AbsOp, nn::MaxOp, nn::MinOp,
             nn::LeakyReluOp, nn::EqualOp>(op);
}
} // namespace

bool takesEpilogue(Operation *anchor, Operation *op) {
  return ruleOf(anchorOf(anchor)).epilogue && op->hasTrait<nn::Elementwise>() && op->getNumResults() == 1 &&
         !isa<nn::ArgReduceOp, nn::CumSumOp>(anchor);
}

bool isDecoding(Operation *op) {
  if (isa<nn::CastOp>(op))
    return isWidening(op) || isByteCast(op->getResult(0));
  if (!isa<nn::MulOp, nn::SubOp, nn::AddOp>(op))
    return false;
  auto constant = op->getOperand(1).getDefiningOp<nn::ConstantOp>();
  Operation *source = op->getOperand(0).getDefiningOp();
  return constant && source && cast<RankedTensorType>(constant.getType()).getNumElements() == 1 && isDecoding(source);
}

bool decodesOperand(Operation *anchor, Operation *op) {
  if (isWidening(op))
    return ruleOf(anchorOf(anchor)).epilogue;
  return anchorOf(anchor) == Anchor::Contraction && readsBytes(anchor) && isDecoding(op);
}

bool decodesBytes(Operation *anchor) {
  Operation *source = isDepthwise(anchor) ? anchor->getOperand(0).getDefiningOp() : nullptr;
  return source && (isDecoded(anchor->getOperand(0)) || isWidening(source));
}

bool roundsImage(Operation *anchor, Operation *op) {
  auto cast = dyn_cast_or_null<nn::CastOp>(op);
  return cast && readsImage(anchor) && llvm::cast<nn::ConvOp>(anchor).getLayout() == nn::Layout::ChannelsLast &&
         getElementTypeOrSelf(cast.getInput().getType()).isF32() && (cast.getTo().isF16() || cast.getTo().isBF16());
}

/// A convolution of bytes of an image whose weights a GPU's stem can keep in registers.
static bool isStemOfBytes(nn::ConvOp conv) {
  constexpr int64_t kFragmentColumns = 16, kMostColumns = 64, kMostTaps = 64, kFour = 4;
  if (!conv || !readsImage(conv) || !readsBytes(conv) || conv.getLayout() != nn::Layout::ChannelsLast || conv.getStrides().size() != 2)
    return false;
  auto weight = cast<RankedTensorType>(conv.getWeight().getType());
  bool isKnown = weight.hasStaticShape() && llvm::all_of(ArrayRef(nn::dimsOf(conv.getInput().getType())).drop_front(), [](nn::Dim d) { return d.isConstant(); });
  return isKnown && weight.getDimSize(1) < kFour && weight.getDimSize(0) % kFragmentColumns == 0 && weight.getDimSize(0) <= kMostColumns &&
         weight.getDimSize(2) * int64_t(llvm::alignTo(weight.getDimSize(3), kFour)) <= kMostTaps && conv.getStrides().back() % 2 == 0 &&
         llvm::all_of(conv.getDilations(), [](int64_t dilation) { return dilation == 1; });
}

bool quantizesImage(Operation *anchor, Operation *op) {
  if (!isStemOfBytes(dyn_cast<nn::ConvOp>(anchor)))
    return false;
  if (auto quantize = dyn_cast_or_null<nn::QuantizeOp>(op))
    return quantize.getTo().isUnsignedInteger();
  auto factor = isa_and_nonnull<nn::MulOp, nn::DivOp>(op) ? op->getOperand(1).getDefiningOp<nn::ConstantOp>() : nn::ConstantOp();
  return factor && isa<DenseElementsAttr>(factor.getValue()) && cast<RankedTensorType>(factor.getType()).getNumElements() == 1 &&
         getElementTypeOrSelf(op->getResult(0).getType()).isF32();
}

/// A 1x1 convolution of one position of few images in a half type, with constant weights.
static bool isProductOfRow(nn::ConvOp conv) {
  if (!conv || conv.getGroups() != 1 || conv.getLayout() != nn::Layout::ChannelsLast || !conv.getWeight().getDefiningOp<nn::ConstantOp>())
    return false;
  constexpr int64_t kMostImages = 64; // each reads all weights
  Type element = getElementTypeOrSelf(conv.getInput().getType());
  auto dims = nn::dimsOf(conv.getInput().getType());
  auto is = [](int64_t expected) { return [expected](int64_t value) { return value == expected; }; };
  return (element.isF16() || element.isBF16()) && dims.front().asConstant().value_or(kMostImages + 1) <= kMostImages &&
         llvm::all_of(ArrayRef(dims).drop_back().drop_front(), [](nn::Dim d) { return d.isConstant(1); }) &&
         llvm::all_of(cast<RankedTensorType>(conv.getWeight().getType()).getShape().drop_front(2), is(1)) && llvm::all_of(conv.getPads(), is(0));
}

bool isGate(Operation *squeeze, Operation *excite) {
  constexpr int64_t kMostHidden = 64, kFragmentRows = 16, kMostWeights = 80 << 10, kChunk = 8; // what fits into shared memory, in whole vectors
  auto first = dyn_cast<nn::ConvOp>(squeeze), second = dyn_cast<nn::ConvOp>(excite);
  if (!isProductOfRow(first) || !isProductOfRow(second))
    return false;
  auto weight = cast<RankedTensorType>(first.getWeight().getType()).getShape();
  Operation *source = first.getInput().getDefiningOp();
  while (isa_and_nonnull<nn::ReshapeOp>(source))
    source = source->getOperand(0).getDefiningOp();
  bool isWhole = !source || !source->hasTrait<nn::ViewLike>(); // a part of another tensor need not be in whole vectors
  return isWhole && weight[0] <= kMostHidden && int64_t(llvm::alignTo(weight[0], kFragmentRows)) * weight[1] <= kMostWeights && weight[1] % kChunk == 0;
}

bool isMeanOfSums(Value value, Operation *anchor) {
  auto reduce = dyn_cast<nn::ReduceOp>(anchor);
  if (!reduce || reduce.getKind() != nn::ReduceKind::Sum || reduce.getAxes() != ArrayRef<int64_t>{1} || !reduce.getKeepDims() ||
      !reduce.getInput().getDefiningOp() || !reduce.getInput().getDefiningOp()->hasAttr(kernel::kRowSumsAttr))
    return false;
  for (Operation *op = value.getDefiningOp(); op != anchor; op = op->getOperand(0).getDefiningOp()) {
    auto mul = dyn_cast_or_null<nn::MulOp>(op);
    auto factor = mul ? mul.getRhs().getDefiningOp<nn::ConstantOp>() : nn::ConstantOp();
    if (!op || !op->hasOneUse() || (!isa<nn::CastOp>(op) && !(factor && cast<RankedTensorType>(factor.getType()).getNumElements() == 1)))
      return false;
  }
  return reduce->hasOneUse();
}

bool takesPrologue(Operation *anchor, unsigned operand, Operation *op) {
  Anchor kind = anchorOf(anchor);
  if (operand != 0 || !ruleOf(kind).prologue || !op->hasTrait<nn::Elementwise>() || op->getNumResults() != 1)
    return false;
  if (kind == Anchor::Contraction && (readsBytes(anchor) || (readsPairs(anchor) && !roundsImage(anchor, op))))
    return false;
  return kind == Anchor::Rows ? isAlongRows(anchor)
                              : (readsOnce(anchor) && isCheap(op)) || (isDepthwise(anchor) && (isDecoded(op->getResult(0)) || isWidening(op))) || roundsImage(anchor, op);
}

bool takesPad(Operation *anchor, nn::PadOp pad) {
  auto conv = dyn_cast<nn::ConvOp>(anchor);
  if (!conv || conv.getInput() != pad.getResult() || conv.getLayout() != nn::Layout::ChannelsLast || pad.getMode() != nn::PadMode::Constant ||
      !cast<RankedTensorType>(pad.getType()).getElementType().isUnsignedInteger(8) || llvm::any_of(conv.getPads(), [](int64_t amount) { return amount != 0; }))
    return false;
  if (pad.getValue() && !pad.getValue().getDefiningOp<nn::ConstantOp>())
    return false;
  for (nn::DimsAttr side : {pad.getLow(), pad.getHigh()}) {
    SmallVector<nn::Dim> amounts(side.dims());
    bool isSpatial = amounts.front().isConstant(0) && amounts.back().isConstant(0);
    if (!isSpatial || llvm::any_of(amounts, [](nn::Dim amount) { return amount.asConstant().value_or(-1) < 0; }))
      return false;
  }
  return true;
}

bool takesTranspose(Operation *anchor, nn::TransposeOp transpose) {
  // [batch, heads, rows, columns] -> [batch, rows, heads, columns]: the next product reads all heads of a row.
  return isa<nn::AttentionOp>(anchor) && transpose.getPerm() == ArrayRef<int64_t>{0, 2, 1, 3};
}

bool readsView(Operation *anchor, OpOperand &operand, const kernel::View &view) {
  Operation *user = operand.getOwner();
  Anchor kind = anchorOf(anchor);
  if (!ruleOf(kind).views)
    return false;
  bool isDense = view.strides.empty() || view.strides.back().isConstant(1) || view.strides.back().isConstant(0) ||
                 nn::dimsOf(operand.get().getType()).back().isConstant(1);
  auto pad = dyn_cast<nn::PadOp>(user);
  bool isPadded = pad && takesPad(anchor, pad); // then it is the convolution that reads
  if (user != anchor && !isPadded) // elementwise ops around an anchor read vectors along the last axis
    return kind == Anchor::Elementwise || isDense || roundsImage(anchor, user) || quantizesImage(anchor, user);
  unsigned index = operand.getOperandNumber();
  switch (kind) {
  case Anchor::Contraction: {
    // The model's images have few channels: gathering them into panels costs little, a transposed copy a pass over memory.
    if (isa<nn::ConvOp>(anchor))
      return index == 0 && (isDense || readsImage(anchor));
    return index < 2 && isDense;
  }
  case Anchor::Attention:
    return index < 3 && isDense;
  case Anchor::Rows:
  case Anchor::Window:
    return index == 0 && isDense;
  case Anchor::Elementwise:
    return true;
  case Anchor::Move:
    return !isLargeConcat(anchor);
  case Anchor::Lookup:
  case Anchor::Other:
    return false;
  }
  return false;
}

bool inlinesConstant(OpOperand &operand, nn::ConstantOp constant) {
  if (isa<nn::DimsAttr>(constant.getValue()))
    return true;
  auto dense = dyn_cast<DenseElementsAttr>(constant.getValue());
  if (!dense || !(dense.isSplat() || dense.getNumElements() == 1))
    return false;
  // Weights and biases are packed and read as memory, whatever they hold.
  bool isWeight = anchorOf(operand.getOwner()) == Anchor::Contraction ||
                  isa<nn::ConvTransposeOp, nn::AttentionOp, nn::LSTMOp, nn::RecurrenceOp, nn::LinearAttentionOp, nn::TopKOp>(operand.getOwner());
  return !isWeight;
}

} // namespace tenon::fuse
