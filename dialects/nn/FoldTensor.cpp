// Folders of the ops that move elements: identities, and evaluation on small constants and sizes. Large constants are never
// copied: a reshaped blob stays the same blob.
#include "dialects/nn/Infer.h"
#include "dialects/nn/Known.h"

using namespace mlir;

namespace tenon::nn {

/// The result element by element: `pick` says where an element of the result comes from.
static Attribute move(ArrayRef<Attribute> values, ValueRange operands, RankedTensorType type,
                      llvm::function_ref<Pick(ArrayRef<int64_t>)> pick) {
  if (!isFoldable(type))
    return {};
  std::optional<SmallVector<Known>> sources = readAll(values, operands);
  if (!sources)
    return {};
  SmallVector<Pick> picks;
  forEachIndex(type.getShape(), [&](ArrayRef<int64_t> index) { picks.push_back(pick(index)); });
  return pickElements(*sources, picks, type);
}

/// A constant of equal elements in another static shape: costs nothing.
static Attribute resizedSplat(Attribute value, RankedTensorType type) {
  auto splat = dyn_cast_or_null<SplatElementsAttr>(value);
  return splat && type.hasStaticShape() ? splat.resizeSplat(type) : Attribute();
}

static bool allConstant(DimsAttr dims, int64_t value) {
  return llvm::all_of(dims.dims(), [&](Dim dim) { return dim.isConstant(value); });
}

static std::optional<SmallVector<int64_t>> integers(DimsAttr dims) {
  SmallVector<int64_t> values;
  for (Dim dim : dims.dims()) {
    std::optional<int64_t> value = dim.asConstant();
    if (!value)
      return std::nullopt;
    values.push_back(*value);
  }
  return values;
}

OpFoldResult ShapeOp::fold(FoldAdaptor) {
  auto [start, end] = shapeRange(rankOf(getInput()), getStart(), getEnd());
  SmallVector<Dim> dims = dimsOf(getInput().getType());
  return Known{getType(), {}, {}, SmallVector<Dim>(ArrayRef(dims).slice(start, end - start))}.attribute();
}

OpFoldResult ReshapeOp::fold(FoldAdaptor adaptor) {
  RankedTensorType type = getType();
  if (getInput().getType() == type)
    return getInput();
  if (!type.hasStaticShape())
    return {};
  Attribute value = adaptor.getInput();
  if (auto blob = dyn_cast_or_null<DenseResourceElementsAttr>(value))
    return DenseResourceElementsAttr::get(type, blob.getRawHandle());
  if (isa_and_nonnull<DimsAttr>(value))
    return value;
  if (Attribute splat = resizedSplat(value, type))
    return splat;
  auto dense = dyn_cast_or_null<DenseElementsAttr>(value);
  return dense && isFoldable(type) ? OpFoldResult(dense.reshape(type)) : OpFoldResult();
}

OpFoldResult TransposeOp::fold(FoldAdaptor adaptor) {
  if (llvm::equal(getPerm(), llvm::seq<int64_t>(0, getPerm().size())))
    return getInput();
  if (Attribute splat = resizedSplat(adaptor.getInput(), getType()))
    return splat;
  ArrayRef<int64_t> shape = getInput().getType().getShape();
  return move(adaptor.getInput(), getInput(), getType(), [&](ArrayRef<int64_t> index) {
    SmallVector<int64_t> from(index.size());
    for (auto [axis, source] : llvm::enumerate(getPerm()))
      from[source] = index[axis];
    return Pick{0, linearIndex(shape, from)};
  });
}

OpFoldResult ExpandOp::fold(FoldAdaptor adaptor) {
  if (getInput().getType() == getType())
    return getInput();
  ArrayRef<int64_t> shape = getInput().getType().getShape();
  return move(adaptor.getInput(), getInput(), getType(), [&](ArrayRef<int64_t> index) { return Pick{0, linearIndex(shape, index)}; });
}

OpFoldResult SliceOp::fold(FoldAdaptor adaptor) {
  bool whole = allConstant(getStarts(), 0) && llvm::all_of(getSteps(), [](int64_t step) { return step == 1; });
  if (whole && getInput().getType() == getType())
    return getInput();
  std::optional<SmallVector<int64_t>> starts = integers(getStarts());
  if (!starts)
    return {};
  if (Attribute splat = resizedSplat(adaptor.getInput(), getType()))
    return splat;
  ArrayRef<int64_t> shape = getInput().getType().getShape();
  return move(adaptor.getInput(), getInput(), getType(), [&](ArrayRef<int64_t> index) {
    SmallVector<int64_t> from;
    for (auto [axis, i] : llvm::enumerate(index))
      from.push_back((*starts)[axis] + i * getSteps()[axis]);
    return Pick{0, linearIndex(shape, from)};
  });
}

OpFoldResult TileOp::fold(FoldAdaptor adaptor) {
  if (allConstant(getRepeats(), 1))
    return getInput();
  ArrayRef<int64_t> shape = getInput().getType().getShape();
  return move(adaptor.getInput(), getInput(), getType(), [&](ArrayRef<int64_t> index) {
    SmallVector<int64_t> from;
    for (auto [axis, i] : llvm::enumerate(index))
      from.push_back(i % shape[axis]);
    return Pick{0, linearIndex(shape, from)};
  });
}

OpFoldResult ConcatOp::fold(FoldAdaptor adaptor) {
  if (getInputs().size() == 1)
    return getInputs().front();
  if (llvm::is_contained(adaptor.getInputs(), Attribute()))
    return {};
  int64_t axis = getAxis();
  return move(adaptor.getInputs(), getInputs(), getType(), [&](ArrayRef<int64_t> index) {
    SmallVector<int64_t> from(index);
    unsigned source = 0;
    auto extent = [&] { return cast<RankedTensorType>(getInputs()[source].getType()).getDimSize(axis); };
    for (; from[axis] >= extent(); ++source)
      from[axis] -= extent();
    return Pick{source, linearIndex(cast<RankedTensorType>(getInputs()[source].getType()).getShape(), from)};
  });
}

/// The input position along an axis of `size` elements that position `i` of the padded axis shows, or -1 for the pad value.
static int64_t padSource(int64_t i, int64_t low, int64_t size, PadMode mode) {
  int64_t at = i - low;
  if (at >= 0 && at < size)
    return at;
  switch (mode) {
  case PadMode::Constant:
    return -1;
  case PadMode::Edge:
    return std::clamp<int64_t>(at, 0, size - 1);
  case PadMode::Wrap:
    return ((at % size) + size) % size;
  case PadMode::Reflect:
    return at < 0 ? -at : 2 * (size - 1) - at;
  }
  llvm_unreachable("covered switch");
}

/// The pad value as a constant of the input's element type: zero where there is none. Null if it is not known.
static Attribute padValue(PadOp pad, Attribute given) {
  if (pad.getValue())
    return given;
  Type element = pad.getType().getElementType();
  if (!element.isIntOrFloat())
    return {};
  return DenseElementsAttr::get(RankedTensorType::get({}, element), Builder(pad.getContext()).getZeroAttr(element));
}

OpFoldResult PadOp::fold(FoldAdaptor adaptor) {
  if (allConstant(getLow(), 0) && allConstant(getHigh(), 0))
    return getInput();
  std::optional<SmallVector<int64_t>> low = integers(getLow());
  Attribute value = padValue(*this, adaptor.getValue());
  std::optional<Known> input = Known::read(adaptor.getInput(), getInput().getType());
  if (!low || !value || !input || !isFoldable(getType()))
    return {};
  std::optional<Known> scalar = Known::read(value, RankedTensorType::get({}, getType().getElementType()));
  if (scalar && input->isSizes() != scalar->isSizes()) {
    input = input->asSizes();
    scalar = scalar->asSizes();
  }
  if (!scalar || !input)
    return {};
  ArrayRef<int64_t> shape = getInput().getType().getShape();
  SmallVector<Pick> picks;
  forEachIndex(getType().getShape(), [&](ArrayRef<int64_t> index) {
    SmallVector<int64_t> from;
    for (auto [axis, i] : llvm::enumerate(index))
      from.push_back(padSource(i, (*low)[axis], shape[axis], getMode()));
    bool outside = llvm::is_contained(from, -1);
    picks.push_back(outside ? Pick{1, 0} : Pick{0, linearIndex(shape, from)});
  });
  return pickElements({*input, *scalar}, picks, getType());
}

OpFoldResult GatherOp::fold(FoldAdaptor adaptor) {
  std::optional<Known> indices = Known::read(adaptor.getIndices(), getIndices().getType());
  ArrayRef<int64_t> shape = getInput().getType().getShape();
  int64_t axis = getAxis(), indexRank = rankOf(getIndices());
  if (!indices || indices->isSizes() || !adaptor.getInput() || shape[axis] == 0)
    return {};
  return move(adaptor.getInput(), getInput(), getType(), [&](ArrayRef<int64_t> index) {
    int64_t at = indices->integers[linearIndex(indices->type.getShape(), index.slice(axis, indexRank))].getSExtValue();
    at = std::clamp<int64_t>(at < 0 ? at + shape[axis] : at, 0, shape[axis] - 1);
    SmallVector<int64_t> from(index.take_front(axis));
    from.push_back(at);
    llvm::append_range(from, index.drop_front(axis + indexRank));
    return Pick{0, linearIndex(shape, from)};
  });
}

OpFoldResult RangeOp::fold(FoldAdaptor adaptor) {
  RankedTensorType type = getType();
  std::optional<Known> start = Known::read(adaptor.getStart(), getStart().getType());
  std::optional<Known> delta = Known::read(adaptor.getDelta(), getDelta().getType());
  if (!start || !delta || !isFoldable(type))
    return {};
  Known result{type, {}, {}, {}};
  if (start->isFloat()) {
    if (type.getElementTypeBitWidth() < 32)
      return {}; // computed in f32 by the generated code
    for (int64_t i = 0; i < type.getNumElements(); ++i) {
      APFloat step(start->floats[0].getSemantics());
      step.convertFromAPInt(APInt(64, i), /*IsSigned=*/true, APFloat::rmNearestTiesToEven);
      result.floats.push_back(start->floats[0] + step * delta->floats[0]);
    }
    return result.attribute();
  }
  std::optional<Known> first = start->asSizes(), step = delta->asSizes();
  if (!first || !step)
    return {};
  for (int64_t i = 0; i < type.getNumElements(); ++i)
    result.sizes.push_back(first->sizes[0] + step->sizes[0] * i);
  if (result.sizes.empty())
    return DenseElementsAttr::get(type, ArrayRef<APInt>());
  return result.attribute();
}

OpFoldResult DepthToSpaceOp::fold(FoldAdaptor) { return getBlock() == 1 ? OpFoldResult(getInput()) : OpFoldResult(); }
OpFoldResult SpaceToDepthOp::fold(FoldAdaptor) { return getBlock() == 1 ? OpFoldResult(getInput()) : OpFoldResult(); }

OpFoldResult ResizeOp::fold(FoldAdaptor) {
  // Every coordinate maps to itself, except where a mode shifts them.
  bool shifts = getCoordinates() == CoordinateMode::TfHalfPixelForNN || getCoordinates() == CoordinateMode::TfCropAndResize;
  bool unscaled = llvm::all_of(getScales(), [](double scale) { return scale == 0 || scale == 1; });
  return !shifts && unscaled && !getScaleBits() && getInput().getType() == getType() ? OpFoldResult(getInput()) : OpFoldResult();
}

} // namespace tenon::nn
