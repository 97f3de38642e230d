// Result types of the ops along axes: reductions, softmax, running sums, normalizations.
#include "dialects/nn/Infer.h"

using namespace mlir;

namespace tenon::nn {

LogicalResult ReduceOp::inferReturnTypes(MLIRContext *ctx, Where where, Adaptor op, Types &types) {
  SmallVector<Dim> dims = dimsOf(op.getInput().getType()), kept;
  llvm::SmallBitVector reduced(dims.size());
  for (int64_t axis : op.getAxes()) {
    if (failed(checkAxis(where, axis, dims.size())))
      return failure();
    if (reduced.test(axis))
      return refuse(where, "expected each axis once, found ", text(op.getAxes()));
    reduced.set(axis);
  }
  if (elementOf(op.getInput()).isInteger(1) && op.getKind() != ReduceKind::Max && op.getKind() != ReduceKind::Min)
    return refuse(where, "cannot reduce booleans by ", stringifyReduceKind(op.getKind()), ": expected max or min");
  for (auto [axis, dim] : llvm::enumerate(dims)) {
    if (!reduced.test(axis))
      kept.push_back(dim);
    else if (op.getKeepDims())
      kept.push_back(Dim::constant(ctx, 1));
  }
  return giveTensor(where, kept, elementOf(op.getInput()), types);
}

LogicalResult ArgReduceOp::inferReturnTypes(MLIRContext *ctx, Where where, Adaptor op, Types &types) {
  SmallVector<Dim> dims = dimsOf(op.getInput().getType());
  int64_t axis = op.getAxis();
  if (failed(checkAxis(where, axis, dims.size())))
    return failure();
  if (dims[axis].isConstant(0))
    return refuse(where, "axis ", axis, " is empty: it has no largest element");
  if (op.getKeepDims())
    dims[axis] = Dim::constant(ctx, 1);
  else
    dims.erase(dims.begin() + axis);
  return giveTensor(where, dims, IntegerType::get(ctx, 64), types);
}

LogicalResult SoftmaxOp::inferReturnTypes(MLIRContext *, Where where, Adaptor op, Types &types) {
  if (failed(checkAxis(where, op.getAxis(), rankOf(op.getInput()))) || failed(checkFloat(where, op.getInput())))
    return failure();
  types.push_back(op.getInput().getType());
  return success();
}

LogicalResult CumSumOp::inferReturnTypes(MLIRContext *, Where where, Adaptor op, Types &types) {
  if (failed(checkAxis(where, op.getAxis(), rankOf(op.getInput()))))
    return failure();
  if (elementOf(op.getInput()).isInteger(1))
    return refuse(where, "cannot sum booleans");
  types.push_back(op.getInput().getType());
  return success();
}

static LogicalResult checkEpsilon(Where where, const APFloat &epsilon) {
  if (!epsilon.isFinite() || epsilon.isNegative())
    return refuse(where, "expected an epsilon of at least 0, found ", epsilon.convertToDouble());
  return success();
}

/// One parameter for each channel, the size of axis 1.
static LogicalResult checkChannels(Where where, Value input, ArrayRef<std::pair<StringRef, Value>> parameters) {
  if (failed(checkRankAtLeast(where, "an input", input, 2)) || failed(checkFloat(where, input)))
    return failure();
  for (auto [what, parameter] : parameters)
    if (failed(checkVector(where, what, parameter, dimOf(input.getType(), 1), elementOf(input))))
      return failure();
  return success();
}

LogicalResult BatchNormOp::inferReturnTypes(MLIRContext *, Where where, Adaptor op, Types &types) {
  if (failed(checkEpsilon(where, op.getEpsilon())) ||
      failed(checkChannels(where, op.getInput(), {{"a scale", op.getScale()}, {"a bias", op.getBias()}, {"a mean", op.getMean()}, {"a variance", op.getVariance()}})))
    return failure();
  types.push_back(op.getInput().getType());
  return success();
}

LogicalResult GroupNormOp::inferReturnTypes(MLIRContext *, Where where, Adaptor op, Types &types) {
  if (failed(checkEpsilon(where, op.getEpsilon())) ||
      failed(checkChannels(where, op.getInput(), {{"a scale", op.getScale()}, {"a bias", op.getBias()}})))
    return failure();
  int64_t groups = op.getGroups();
  std::optional<int64_t> channels = dimOf(op.getInput().getType(), 1).asConstant();
  if (groups < 1 || (channels && *channels % groups != 0))
    return refuse(where, "expected groups that divide the ", dimOf(op.getInput().getType(), 1).str(), " channels, found ", groups);
  types.push_back(op.getInput().getType());
  return success();
}

/// Layer and RMS normalization: parameters broadcast to the normalized axes.
static LogicalResult inferNorm(Where where, Value input, Value scale, Value bias, int64_t axis, const APFloat &epsilon, Types &types) {
  SmallVector<Dim> dims = dimsOf(input.getType());
  if (failed(checkFloat(where, input)) || failed(checkAxis(where, axis, dims.size())) || failed(checkEpsilon(where, epsilon)))
    return failure();
  ArrayRef<Dim> normalized = ArrayRef(dims).drop_front(axis);
  for (Value parameter : {scale, bias}) {
    if (!parameter)
      continue;
    SmallVector<Dim> found = dimsOf(parameter.getType());
    bool fits = found.size() <= normalized.size() && elementOf(parameter) == elementOf(input);
    for (size_t i = 0; fits && i < found.size(); ++i)
      fits = found[i].isConstant(1) || !mustDiffer(found[i], normalized[normalized.size() - found.size() + i]);
    if (!fits)
      return refuse(where, "expected scale and bias that broadcast to ", text(normalized), " of ", elementOf(input), ", found ", parameter.getType());
  }
  types.push_back(input.getType());
  return success();
}

LogicalResult LayerNormOp::inferReturnTypes(MLIRContext *, Where where, Adaptor op, Types &types) {
  return inferNorm(where, op.getInput(), op.getScale(), op.getBias(), op.getAxis(), op.getEpsilon(), types);
}
LogicalResult RMSNormOp::inferReturnTypes(MLIRContext *, Where where, Adaptor op, Types &types) {
  return inferNorm(where, op.getInput(), op.getScale(), op.getBias(), op.getAxis(), op.getEpsilon(), types);
}

LogicalResult LRNOp::inferReturnTypes(MLIRContext *, Where where, Adaptor op, Types &types) {
  if (failed(checkRankAtLeast(where, "an input", op.getInput(), 2)) || failed(checkFloat(where, op.getInput())))
    return failure();
  if (op.getSize() < 1)
    return refuse(where, "expected a window of at least 1 channel, found ", static_cast<int64_t>(op.getSize()));
  types.push_back(op.getInput().getType());
  return success();
}

} // namespace tenon::nn
