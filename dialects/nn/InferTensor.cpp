// Result types of constants and of the ops that move whole axes: shape, views, pad, tile, concat, resize, range.
#include "dialects/nn/Infer.h"
#include "dialects/nn/SizeConditions.h"
#include "mlir/Dialect/Utils/IndexingUtils.h"

using namespace mlir;

namespace tenon::nn {

LogicalResult ConstantOp::inferReturnTypes(MLIRContext *, Where where, Adaptor op, Types &types) {
  auto type = dyn_cast<RankedTensorType>(op.getType());
  if (!type || !type.hasStaticShape())
    return refuse(where, "expected a static tensor type, found ", op.getType());
  if (auto dims = dyn_cast<DimsAttr>(op.getValue())) {
    Type element = type.getElementType();
    if (!element.isInteger(32) && !element.isInteger(64))
      return refuse(where, "expected i32 or i64 elements of sizes, found ", element);
    if (type.getNumElements() != static_cast<int64_t>(dims.size()))
      return refuse(where, "expected a tensor of ", dims.size(), " sizes, found ", type);
  } else if (auto elements = dyn_cast<ElementsAttr>(op.getValue())) {
    if (elements.getType() != type)
      return refuse(where, "expected a value of type ", type, ", found ", elements.getType());
  } else {
    return refuse(where, "expected dense, dense_resource or #nn.dims as the value");
  }
  types.push_back(type);
  return success();
}

LogicalResult ShapeOp::inferReturnTypes(MLIRContext *ctx, Where where, Adaptor op, Types &types) {
  auto [start, end] = shapeRange(rankOf(op.getInput()), op.getStart(), op.getEnd());
  return giveTensor(where, {Dim::constant(ctx, end - start)}, IntegerType::get(ctx, 64), types);
}

std::pair<int64_t, int64_t> shapeRange(int64_t rank, int64_t start, std::optional<int64_t> end) {
  auto clamp = [&](int64_t axis) { return std::clamp<int64_t>(axis < 0 ? axis + rank : axis, 0, rank); };
  int64_t first = clamp(start), last = clamp(end.value_or(rank));
  return {first, std::max(first, last)};
}

LogicalResult ReshapeOp::inferReturnTypes(MLIRContext *ctx, Where where, Adaptor op, Types &types) {
  SmallVector<Dim> dims = op.getDims().dims();
  Dim found = product(ctx, dims), expected = numElements(op.getInput().getType());
  if (mustDiffer(found, expected))
    return refuse(where, "cannot reshape ", text(dimsOf(op.getInput().getType())), " to ", text(dims), ": expected ", expected.str(),
                  " elements, found ", found.str());
  return giveTensor(where, dims, elementOf(op.getInput()), types);
}

LogicalResult TransposeOp::inferReturnTypes(MLIRContext *, Where where, Adaptor op, Types &types) {
  SmallVector<Dim> dims = dimsOf(op.getInput().getType());
  if (op.getPerm().size() != dims.size() || !isPermutationVector(op.getPerm()))
    return refuse(where, "expected a permutation of the ", dims.size(), " axes of the input, found ", text(op.getPerm()));
  return giveTensor(where, llvm::map_to_vector(op.getPerm(), [&](int64_t axis) { return dims[axis]; }), elementOf(op.getInput()), types);
}

LogicalResult ExpandOp::inferReturnTypes(MLIRContext *, Where where, Adaptor op, Types &types) {
  SmallVector<Dim> from = dimsOf(op.getInput().getType()), to = op.getDims().dims();
  bool fits = from.size() <= to.size();
  for (size_t i = 0; fits && i < from.size(); ++i) {
    Dim source = from[i], target = to[to.size() - from.size() + i];
    if (source.isConstant(1))
      continue;
    if (source.isConstant())
      fits = !mustDiffer(source, target);
    else
      SizeConditions::add(source, target, /*mayBeOne=*/true);
  }
  if (!fits)
    return refuse(where, "cannot expand ", text(from), " to ", text(to), ": expected equal sizes or 1, aligned at the last axis");
  return giveTensor(where, to, elementOf(op.getInput()), types);
}

LogicalResult SliceOp::inferReturnTypes(MLIRContext *, Where where, Adaptor op, Types &types) {
  SmallVector<Dim> dims = dimsOf(op.getInput().getType()), starts = op.getStarts().dims(), sizes = op.getSizes().dims();
  for (size_t count : {starts.size(), sizes.size(), op.getSteps().size()})
    if (count != dims.size())
      return refuse(where, "expected one start, size and step for each of ", dims.size(), " axes, found ", starts.size(), ", ", sizes.size(),
                    " and ", op.getSteps().size());
  for (size_t axis = 0; axis < dims.size(); ++axis) {
    int64_t step = op.getSteps()[axis];
    if (step == 0)
      return refuse(where, "expected a step that is not 0 at axis ", axis);
    Dim first = starts[axis], last = first + (sizes[axis] - 1) * step;
    auto outside = [&](Dim position) {
      std::optional<int64_t> high = position.upperBound(), beyond = (position - dims[axis]).lowerBound();
      return position.isOverflow() || (high && *high < 0) || (beyond && *beyond >= 0);
    };
    std::optional<int64_t> least = sizes[axis].lowerBound();
    if (least && *least > 0 && (outside(first) || outside(last)))
      return refuse(where, "expected a slice within axis ", axis, " of size ", dims[axis].str(), ", found positions ", first.str(), " to ", last.str());
  }
  return giveTensor(where, sizes, elementOf(op.getInput()), types);
}

static LogicalResult checkPadMode(Where where, PadMode mode, Dim size, Dim low, Dim high, size_t axis) {
  if (mode == PadMode::Constant || (low.isConstant(0) && high.isConstant(0)))
    return success();
  std::optional<int64_t> extent = size.asConstant();
  if (!extent)
    return success();
  // Reflection repeats at most the size - 1 elements beyond the border; the others need an element to repeat.
  int64_t most = mode == PadMode::Reflect ? *extent - 1 : mode == PadMode::Wrap ? *extent : (*extent > 0 ? INT64_MAX : 0);
  for (Dim amount : {low, high})
    if (std::optional<int64_t> pad = amount.asConstant(); pad && *pad > std::max<int64_t>(most, 0))
      return refuse(where, "cannot pad axis ", axis, " of size ", *extent, " by ", *pad, " in mode ", stringifyPadMode(mode), ": at most ",
                    std::max<int64_t>(most, 0));
  return success();
}

LogicalResult PadOp::inferReturnTypes(MLIRContext *, Where where, Adaptor op, Types &types) {
  SmallVector<Dim> dims = dimsOf(op.getInput().getType()), low = op.getLow().dims(), high = op.getHigh().dims();
  if (low.size() != dims.size() || high.size() != dims.size())
    return refuse(where, "expected ", dims.size(), " low and high pads, one an axis, found ", low.size(), " and ", high.size());
  if (Value value = op.getValue(); value && (failed(checkSameElements(where, op.getInput(), value)) || failed(checkRank(where, "a pad value", value, 0))))
    return failure();
  for (auto [axis, dim] : llvm::enumerate(dims)) {
    if (failed(checkPadMode(where, op.getMode(), dim, low[axis], high[axis], axis)))
      return failure();
    dim = dim + low[axis] + high[axis];
  }
  return giveTensor(where, dims, elementOf(op.getInput()), types);
}

LogicalResult TileOp::inferReturnTypes(MLIRContext *, Where where, Adaptor op, Types &types) {
  SmallVector<Dim> dims = dimsOf(op.getInput().getType()), repeats = op.getRepeats().dims();
  if (failed(checkCount(where, "repeats", repeats.size(), dims.size(), "the input's axes")))
    return failure();
  for (auto [axis, dim] : llvm::enumerate(dims)) {
    if (std::optional<int64_t> high = repeats[axis].upperBound(); high && *high < 0)
      return refuse(where, "expected repeats of at least 0 at axis ", axis, ", found ", repeats[axis].str());
    dim = dim * repeats[axis];
  }
  return giveTensor(where, dims, elementOf(op.getInput()), types);
}

LogicalResult ConcatOp::inferReturnTypes(MLIRContext *, Where where, Adaptor op, Types &types) {
  if (op.getInputs().empty())
    return refuse(where, "expected at least one input");
  Value first = op.getInputs().front();
  SmallVector<Dim> dims = dimsOf(first.getType());
  int64_t axis = op.getAxis();
  if (failed(checkAxis(where, axis, dims.size())))
    return failure();
  for (Value input : op.getInputs().drop_front()) {
    SmallVector<Dim> next = dimsOf(input.getType());
    if (next.size() != dims.size() || elementOf(input) != elementOf(first))
      return refuse(where, "expected inputs of one rank and element type, found ", first.getType(), " and ", input.getType());
    for (auto [i, dim] : llvm::enumerate(dims)) {
      if (static_cast<int64_t>(i) == axis)
        dim = dim + next[i];
      else if (mustDiffer(dim, next[i]))
        return refuse(where, "expected inputs of one size at axis ", i, ", found ", dim.str(), " and ", next[i].str());
      else if (next[i].isConstant())
        dim = next[i];
    }
  }
  return giveTensor(where, dims, elementOf(first), types);
}

LogicalResult ResizeOp::inferReturnTypes(MLIRContext *, Where where, Adaptor op, Types &types) {
  size_t rank = rankOf(op.getInput());
  SmallVector<Dim> sizes = op.getSizes().dims();
  if (failed(checkCount(where, "sizes", sizes.size(), rank, "the input's axes")) ||
      failed(checkCount(where, "scales", op.getScales().size(), rank, "the input's axes")))
    return failure();
  if (op.getRoi() && failed(checkCount(where, "region bounds", op.getRoi()->size(), 2 * rank, "the input's axes (starts, then ends)")))
    return failure();
  if (op.getScaleBits() && failed(checkCount(where, "bits of scales", op.getScaleBits()->size(), rank, "the input's axes")))
    return failure();
  for (double scale : op.getScales())
    if (!std::isfinite(scale) || scale < 0)
      return refuse(where, "expected scales that are positive, or 0 for sizes / input sizes, found ", scale);
  for (auto [axis, dim] : llvm::enumerate(dimsOf(op.getInput().getType())))
    if (dim.isConstant(0) && !sizes[axis].isConstant(0))
      return refuse(where, "cannot resize axis ", axis, " of size 0 to ", sizes[axis].str());
  return giveTensor(where, sizes, elementOf(op.getInput()), types);
}

LogicalResult RangeOp::inferReturnTypes(MLIRContext *, Where where, Adaptor op, Types &types) {
  for (Value bound : {op.getStart(), op.getDelta()})
    if (failed(checkRank(where, "a scalar", bound, 0)))
      return failure();
  if (failed(checkSameElements(where, op.getStart(), op.getDelta())) ||
      failed(checkCount(where, "sizes", op.getSize().size(), 1, "the only axis")))
    return failure();
  return giveTensor(where, op.getSize().dims(), elementOf(op.getStart()), types);
}

/// [N, C * block^2, H, W] and [N, C, H * block, W * block], in either layout.
static LogicalResult inferBlocks(Where where, Value input, int64_t block, Layout layout, bool toSpace, Types &types) {
  if (failed(checkRank(where, "an input", input, 4)))
    return failure();
  if (block < 1 || block > (int64_t(1) << 31))
    return refuse(where, "expected a block of at least 1, found ", block);
  SmallVector<Dim> dims = dimsOf(input.getType());
  int64_t channel = layout == Layout::ChannelsFirst ? 1 : 3, row = layout == Layout::ChannelsFirst ? 2 : 1;
  auto divided = [&](Dim size, Dim by, StringRef what) -> FailureOr<Dim> {
    if (std::optional<Dim> exact = size.dividedExactlyBy(by))
      return *exact;
    if (size.isConstant())
      return refuse(where, "expected a multiple of ", by.str(), " ", what, ", found ", size.str());
    return size.floorDiv(by);
  };
  Dim side = Dim::constant(input.getContext(), block), area = side * side;
  FailureOr<Dim> channels = toSpace ? divided(dims[channel], area, "channels") : FailureOr<Dim>(dims[channel] * area);
  FailureOr<Dim> height = toSpace ? FailureOr<Dim>(dims[row] * side) : divided(dims[row], side, "rows");
  FailureOr<Dim> width = toSpace ? FailureOr<Dim>(dims[row + 1] * side) : divided(dims[row + 1], side, "columns");
  if (failed(channels) || failed(height) || failed(width))
    return failure();
  dims[channel] = *channels;
  dims[row] = *height;
  dims[row + 1] = *width;
  return giveTensor(where, dims, elementOf(input), types);
}

LogicalResult DepthToSpaceOp::inferReturnTypes(MLIRContext *, Where where, Adaptor op, Types &types) {
  return inferBlocks(where, op.getInput(), op.getBlock(), op.getLayout(), /*toSpace=*/true, types);
}
LogicalResult SpaceToDepthOp::inferReturnTypes(MLIRContext *, Where where, Adaptor op, Types &types) {
  return inferBlocks(where, op.getInput(), op.getBlock(), op.getLayout(), /*toSpace=*/false, types);
}

} // namespace tenon::nn
