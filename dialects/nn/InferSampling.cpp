// Result types of the ops that read images at places that are data, and of nn.top_k.
#include "dialects/nn/Infer.h"

using namespace mlir;

namespace tenon::nn {

LogicalResult GridSampleOp::inferReturnTypes(MLIRContext *, Where where, Adaptor op, Types &types) {
  SmallVector<Dim> input = dimsOf(op.getInput().getType()), grid = dimsOf(op.getGrid().getType());
  int64_t spatial = int64_t(input.size()) - 2;
  if (spatial < 1 || spatial > 3 || grid.size() != input.size())
    return refuse(where, "expected an image with 1 to 3 spatial axes and a grid of its rank, found ", text(input), " and ", text(grid));
  for (Value operand : {op.getInput(), op.getGrid()})
    if (failed(checkFloat(where, operand)))
      return failure();
  if (failed(checkSize(where, "the last axis of the grid", grid.back(), Dim::constant(op.getInput().getContext(), spatial))) ||
      failed(checkSize(where, "the batch of the grid", grid[0], input[0])))
    return failure();
  SmallVector<Dim> dims{input[0], input[1]};
  dims.append(grid.begin() + 1, grid.end() - 1);
  for (int64_t axis = 0; axis < spatial; ++axis)
    if (input[2 + axis].isConstant(0))
      return refuse(where, "cannot sample an image of shape ", text(input));
  return giveTensor(where, dims, elementOf(op.getInput()), types);
}

LogicalResult RoiAlignOp::inferReturnTypes(MLIRContext *ctx, Where where, Adaptor op, Types &types) {
  if (failed(checkRank(where, "an image", op.getInput(), 4)) || failed(checkRank(where, "regions", op.getRois(), 2)) ||
      failed(checkRank(where, "the regions' images", op.getBatch(), 1)) || failed(checkFloat(where, op.getInput())) ||
      failed(checkSameElements(where, op.getInput(), op.getRois())) || failed(checkIndices(where, op.getBatch())) ||
      failed(checkCount(where, "sizes", op.getSizes().size(), 2, "the cells")) || failed(checkAtLeast(where, "sizes", op.getSizes(), 1)))
    return failure();
  SmallVector<Dim> input = dimsOf(op.getInput().getType()), rois = dimsOf(op.getRois().getType());
  if (failed(checkSize(where, "the last axis of the regions", rois[1], Dim::constant(ctx, 4))) ||
      failed(checkSize(where, "the regions' images", dimOf(op.getBatch().getType(), 0), rois[0])))
    return failure();
  if (static_cast<int64_t>(op.getSamplingRatio()) < 0)
    return refuse(where, "expected a sampling ratio of at least 0, found ", static_cast<int64_t>(op.getSamplingRatio()));
  for (int axis : {0, 2, 3})
    if (input[axis].isConstant(0))
      return refuse(where, "cannot sample an image of shape ", text(input));
  return giveTensor(where, {rois[0], input[1], Dim::constant(ctx, op.getSizes()[0]), Dim::constant(ctx, op.getSizes()[1])}, elementOf(op.getInput()),
                    types);
}

LogicalResult TopKOp::inferReturnTypes(MLIRContext *ctx, Where where, Adaptor op, Types &types) {
  SmallVector<Dim> dims = dimsOf(op.getInput().getType());
  int64_t axis = op.getAxis();
  if (failed(checkAxis(where, axis, dims.size())) || failed(checkCount(where, "counts", op.getK().size(), 1, "the axis")))
    return failure();
  Type element = elementOf(op.getInput());
  if (!isFloatLike(element) && !isa<IntegerType>(element))
    return refuse(where, "expected elements that are numbers, found ", element);
  Dim k = op.getK().dims().front();
  if (std::optional<int64_t> beyond = (k - dims[axis]).lowerBound(); beyond && *beyond > 0)
    return refuse(where, "expected at most the ", dims[axis].str(), " elements of axis ", axis, ", found ", k.str());
  dims[axis] = k;
  if (failed(giveTensor(where, dims, element, types)))
    return failure();
  return giveTensor(where, dims, IntegerType::get(ctx, 64), types);
}

} // namespace tenon::nn
