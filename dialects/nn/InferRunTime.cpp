// Verifiers and result types of the ops around sizes that only a run knows.
#include "dialects/nn/Infer.h"

using namespace mlir;

namespace tenon::nn {

LogicalResult ReadSizesOp::verify() {
  Type element = elementOf(getInput());
  if (!element.isSignlessInteger(32) && !element.isSignlessInteger(64) && !element.isF32())
    return emitOpError() << "expected sizes of type i32 or i64, or the bits of f32, found " << element;
  if (!numElements(getInput().getType()).isConstant(static_cast<int64_t>(getSymbols().size())))
    return emitOpError() << "expected one symbol for each of " << numElements(getInput().getType()).str() << " elements, found "
                         << getSymbols().size();
  return success();
}

LogicalResult NonZeroOp::inferReturnTypes(MLIRContext *ctx, Where where, Adaptor op, Types &types) {
  return giveTensor(where, {Dim::constant(ctx, rankOf(op.getInput())), Dim(op.getCount())}, IntegerType::get(ctx, 64), types);
}

LogicalResult SortIndicesOp::inferReturnTypes(MLIRContext *ctx, Where where, Adaptor op, Types &types) {
  if (failed(checkRank(where, "an input", op.getInput(), 3)))
    return failure();
  SmallVector<Dim> dims = dimsOf(op.getInput().getType());
  dims.pop_back();
  Type index = IntegerType::get(ctx, 64);
  return success(succeeded(giveTensor(where, dims, index, types)) && succeeded(giveTensor(where, dims, index, types)));
}

LogicalResult SuppressOp::inferReturnTypes(MLIRContext *ctx, Where where, Adaptor op, Types &types) {
  Type index = IntegerType::get(ctx, 64), real = Float32Type::get(ctx);
  if (failed(checkRank(where, "boxes", op.getBoxes(), 3)) || failed(checkRank(where, "scores", op.getScores(), 3)) ||
      failed(checkRank(where, "an order", op.getOrder(), 3)))
    return failure();
  for (Value scalar : {op.getLimit(), op.getIou(), op.getScore()})
    if (failed(checkRank(where, "a scalar", scalar, 0)))
      return failure();
  if (elementOf(op.getBoxes()) != real || elementOf(op.getScores()) != real || elementOf(op.getIou()) != real || elementOf(op.getScore()) != real ||
      elementOf(op.getOrder()) != index || elementOf(op.getLimit()) != index)
    return refuse(where, "expected boxes, scores and thresholds of f32, an order and a limit of i64");
  SmallVector<Dim> boxes = dimsOf(op.getBoxes().getType()), scores = dimsOf(op.getScores().getType()), order = dimsOf(op.getOrder().getType());
  if (failed(checkSize(where, "coordinates of a box", boxes[2], Dim::constant(ctx, 4))) || failed(checkSize(where, "images", scores[0], boxes[0])) ||
      failed(checkSize(where, "boxes", scores[2], boxes[1])))
    return failure();
  if (failed(checkSize(where, "images of the order", order[0], scores[0])) || failed(checkSize(where, "classes of the order", order[1], scores[1])))
    return failure();
  return success(succeeded(giveTensor(where, order, IntegerType::get(ctx, 1), types)) && succeeded(giveTensor(where, order, index, types)));
}

} // namespace tenon::nn
