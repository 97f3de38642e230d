// Result types of contractions, attention and recurrence.
#include "dialects/nn/Infer.h"

using namespace mlir;

namespace tenon::nn {

LogicalResult MatMulOp::inferReturnTypes(MLIRContext *, Where where, Adaptor op, Types &types) {
  Value lhs = op.getLhs(), rhs = op.getRhs();
  for (Value operand : {lhs, rhs})
    if (failed(checkRankAtLeast(where, "operands", operand, 2)))
      return failure();
  Type element = sumElement(where, lhs, rhs);
  if (!element)
    return failure();
  SmallVector<Dim> a = dimsOf(lhs.getType()), b = dimsOf(rhs.getType());
  Dim rows = a[a.size() - 2], inner = a.back(), innerOfRhs = b[b.size() - 2], columns = b.back();
  if (op.getTransposeLhs())
    std::swap(rows, inner);
  if (op.getTransposeRhs())
    std::swap(innerOfRhs, columns);
  if (mustDiffer(inner, innerOfRhs))
    return refuse(where, "expected the same contracted size in both operands, found ", inner.str(), " in ", text(a), " and ", innerOfRhs.str(),
                  " in ", text(b));
  if (op.getBias() && failed(checkBias(where, op.getBias(), columns, element)))
    return failure();
  FailureOr<SmallVector<Dim>> dims = broadcast(where, ArrayRef(a).drop_back(2), ArrayRef(b).drop_back(2));
  if (failed(dims))
    return failure();
  dims->append({rows, columns});
  return giveTensor(where, *dims, element, types);
}

LogicalResult AttentionOp::inferReturnTypes(MLIRContext *, Where where, Adaptor op, Types &types) {
  SmallVector<Dim> query = dimsOf(op.getQuery().getType()), key = dimsOf(op.getKey().getType()), value = dimsOf(op.getValue().getType());
  if (query.size() != 4 || key.size() != 4 || value.size() != 4)
    return refuse(where, "expected query, key and value of rank 4, found ", text(query), ", ", text(key), " and ", text(value));
  if (failed(checkFloat(where, op.getQuery())) || failed(checkSameElements(where, op.getQuery(), op.getKey())) ||
      failed(checkSameElements(where, op.getQuery(), op.getValue())))
    return failure();
  for (int axis : {0, 1, 2})
    if (failed(checkSize(where, "an axis of the value", value[axis], key[axis])))
      return failure();
  if (failed(checkSize(where, "the batch of the key", key[0], query[0])) || failed(checkSize(where, "the depth of the key", key[3], query[3])))
    return failure();
  std::optional<int64_t> heads = query[1].asConstant(), keyHeads = key[1].asConstant();
  if (heads && keyHeads && (*keyHeads < 1 || *heads % *keyHeads != 0))
    return refuse(where, "expected the query's heads to be a multiple of the key's, found ", *heads, " and ", *keyHeads);
  if (Value mask = op.getMask()) {
    bool boolean = elementOf(mask).isInteger(1);
    if (!boolean && elementOf(mask) != elementOf(op.getQuery()))
      return refuse(where, "expected a mask of i1 or the query's elements, found ", elementOf(mask));
    Dim scores[] = {query[0], query[1], query[2], key[2]};
    FailureOr<SmallVector<Dim>> wide = broadcast(where, scores, dimsOf(mask.getType()));
    if (failed(wide))
      return failure();
    for (auto [axis, size] : llvm::enumerate(*wide))
      if (wide->size() != 4 || mustDiffer(size, scores[axis]))
        return refuse(where, "expected a mask that broadcasts to ", text(scores), ", found ", text(dimsOf(mask.getType())));
  }
  return giveTensor(where, {query[0], query[1], query[2], value[3]}, elementOf(op.getQuery()), types);
}

LogicalResult LSTMOp::inferReturnTypes(MLIRContext *ctx, Where where, Adaptor op, Types &types) {
  Type element = elementOf(op.getInput());
  if (failed(checkRank(where, "an input", op.getInput(), 3)) || failed(checkFloat(where, op.getInput())))
    return failure();
  SmallVector<Dim> input = dimsOf(op.getInput().getType());
  if (op.getHiddenSize() < 1)
    return refuse(where, "expected a hidden size of at least 1, found ", static_cast<int64_t>(op.getHiddenSize()));
  Dim hidden = Dim::constant(ctx, op.getHiddenSize()), directions = Dim::constant(ctx, op.getDirection() == Direction::Bidirectional ? 2 : 1);
  Dim steps = input[0], batch = input[1], features = input[2];
  if (failed(checkShape(where, "weights", op.getWeight(), {directions, hidden * 4, features}, element)) ||
      failed(checkShape(where, "recurrence weights", op.getRecurrence(), {directions, hidden * 4, hidden}, element)) ||
      failed(checkShape(where, "a bias", op.getBias(), {directions, hidden * 8}, element)) ||
      failed(checkShape(where, "lengths", op.getLengths(), {batch}, IntegerType::get(ctx, 32))) ||
      failed(checkShape(where, "an initial h", op.getInitialH(), {directions, batch, hidden}, element)) ||
      failed(checkShape(where, "an initial c", op.getInitialC(), {directions, batch, hidden}, element)) ||
      failed(checkShape(where, "peepholes", op.getPeephole(), {directions, hidden * 3}, element)))
    return failure();
  if (failed(giveTensor(where, {steps, directions, batch, hidden}, element, types)))
    return failure();
  for (int last = 0; last < 2; ++last)
    if (failed(giveTensor(where, {directions, batch, hidden}, element, types)))
      return failure();
  return success();
}

} // namespace tenon::nn
