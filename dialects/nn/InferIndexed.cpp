// Result types of the ops that read or write at indices: gathers, scatters, one_hot.
#include "dialects/nn/Infer.h"

using namespace mlir;

namespace tenon::nn {

LogicalResult GatherOp::inferReturnTypes(MLIRContext *, Where where, Adaptor op, Types &types) {
  SmallVector<Dim> from = dimsOf(op.getInput().getType()), indices = dimsOf(op.getIndices().getType());
  int64_t axis = op.getAxis();
  if (failed(checkIndices(where, op.getIndices())) || failed(checkAxis(where, axis, from.size())))
    return failure();
  SmallVector<Dim> dims(from.begin(), from.begin() + axis);
  dims.append(indices);
  dims.append(from.begin() + axis + 1, from.end());
  return giveTensor(where, dims, elementOf(op.getInput()), types);
}

/// `indices` lies within `input` on every axis but `axis`.
static LogicalResult checkAligned(Where where, Value input, Value indices, int64_t axis) {
  SmallVector<Dim> from = dimsOf(input.getType()), at = dimsOf(indices.getType());
  if (failed(checkIndices(where, indices)) || failed(checkAxis(where, axis, from.size())) ||
      failed(checkRank(where, "indices", indices, from.size())))
    return failure();
  for (size_t i = 0; i < from.size(); ++i) {
    std::optional<int64_t> beyond = (at[i] - from[i]).lowerBound();
    if (static_cast<int64_t>(i) != axis && beyond && *beyond > 0)
      return refuse(where, "expected indices within the input at axis ", i, " of size ", from[i].str(), ", found size ", at[i].str());
  }
  return success();
}

LogicalResult GatherElementsOp::inferReturnTypes(MLIRContext *, Where where, Adaptor op, Types &types) {
  if (failed(checkAligned(where, op.getInput(), op.getIndices(), op.getAxis())))
    return failure();
  return giveTensor(where, dimsOf(op.getIndices().getType()), elementOf(op.getInput()), types);
}

/// The length of the coordinate vectors in the last axis of `indices`, for an input whose first `batch` axes are shared.
static FailureOr<int64_t> coordinateLength(Where where, Value input, Value indices, int64_t batch) {
  int64_t rank = rankOf(input), indexRank = rankOf(indices);
  if (failed(checkIndices(where, indices)) || failed(checkRankAtLeast(where, "indices", indices, 1)))
    return failure();
  if (batch < 0 || batch >= std::min(rank, indexRank))
    return refuse(where, "expected batch_dims in [0, ", std::min(rank, indexRank), "), found ", batch);
  std::optional<int64_t> length = dimOf(indices.getType(), indexRank - 1).asConstant();
  if (!length || *length < 1 || *length > rank - batch)
    return refuse(where, "expected a last axis of the indices of size 1 to ", rank - batch, ", found ", dimOf(indices.getType(), indexRank - 1).str());
  return *length;
}

LogicalResult GatherNDOp::inferReturnTypes(MLIRContext *, Where where, Adaptor op, Types &types) {
  int64_t batch = op.getBatchDims();
  FailureOr<int64_t> length = coordinateLength(where, op.getInput(), op.getIndices(), batch);
  if (failed(length))
    return failure();
  SmallVector<Dim> from = dimsOf(op.getInput().getType()), dims = dimsOf(op.getIndices().getType());
  for (int64_t axis = 0; axis < batch; ++axis)
    if (failed(checkSize(where, "a batch axis of the indices", dims[axis], from[axis])))
      return failure();
  dims.pop_back();
  dims.append(from.begin() + batch + *length, from.end());
  return giveTensor(where, dims, elementOf(op.getInput()), types);
}

static LogicalResult checkUpdates(Where where, Value input, Value updates, ArrayRef<Dim> expected, std::optional<ReduceKind> reduction) {
  if (failed(checkSameElements(where, input, updates)))
    return failure();
  SmallVector<Dim> found = dimsOf(updates.getType());
  bool fits = found.size() == expected.size();
  for (size_t i = 0; fits && i < found.size(); ++i)
    fits = !mustDiffer(found[i], expected[i]);
  if (!fits)
    return refuse(where, "expected updates of shape ", text(expected), ", found ", text(found));
  bool known = !reduction || llvm::is_contained({ReduceKind::Sum, ReduceKind::Prod, ReduceKind::Max, ReduceKind::Min}, *reduction);
  if (!known)
    return refuse(where, "expected a reduction sum, prod, max or min, found ", stringifyReduceKind(*reduction));
  return success();
}

LogicalResult ScatterElementsOp::inferReturnTypes(MLIRContext *, Where where, Adaptor op, Types &types) {
  if (failed(checkAligned(where, op.getInput(), op.getIndices(), op.getAxis())) ||
      failed(checkUpdates(where, op.getInput(), op.getUpdates(), dimsOf(op.getIndices().getType()), op.getReduction())))
    return failure();
  types.push_back(op.getInput().getType());
  return success();
}

LogicalResult ScatterNDOp::inferReturnTypes(MLIRContext *, Where where, Adaptor op, Types &types) {
  FailureOr<int64_t> length = coordinateLength(where, op.getInput(), op.getIndices(), 0);
  if (failed(length))
    return failure();
  SmallVector<Dim> from = dimsOf(op.getInput().getType()), expected = dimsOf(op.getIndices().getType());
  expected.pop_back();
  expected.append(from.begin() + *length, from.end());
  if (failed(checkUpdates(where, op.getInput(), op.getUpdates(), expected, op.getReduction())))
    return failure();
  types.push_back(op.getInput().getType());
  return success();
}

LogicalResult OneHotOp::inferReturnTypes(MLIRContext *ctx, Where where, Adaptor op, Types &types) {
  SmallVector<Dim> dims = dimsOf(op.getIndices().getType());
  if (failed(checkAxis(where, op.getAxis(), dims.size() + 1)) || failed(checkCount(where, "depths", op.getDepth().size(), 1, "the new axis")) ||
      failed(checkVector(where, "values", op.getValues(), Dim::constant(ctx, 2), elementOf(op.getValues()))))
    return failure();
  dims.insert(dims.begin() + op.getAxis(), op.getDepth().dims().front());
  return giveTensor(where, dims, elementOf(op.getValues()), types);
}

} // namespace tenon::nn
