// Result types of the layers that walk a sequence with a state, beside nn.lstm.
#include "dialects/nn/Infer.h"

using namespace mlir;

namespace tenon::nn {

static bool isActivation(StringRef name) {
  return llvm::is_contained(
      {"Relu", "Tanh", "Sigmoid", "Affine", "LeakyRelu", "ThresholdedRelu", "ScaledTanh", "HardSigmoid", "Elu", "Softsign", "Softplus"}, name);
}

LogicalResult RecurrenceOp::inferReturnTypes(MLIRContext *ctx, Where where, Adaptor op, Types &types) {
  if (failed(checkRank(where, "gates", op.getGates(), 4)) || failed(checkRank(where, "recurrence weights", op.getRecurrence(), 3)) ||
      failed(checkFloat(where, op.getGates())))
    return failure();
  Type element = elementOf(op.getGates());
  SmallVector<Dim> gates = dimsOf(op.getGates().getType());
  int64_t perUnit = op.getCell() == Cell::RNN ? 1 : op.getCell() == Cell::GRU ? 3 : 4;
  size_t functions = op.getCell() == Cell::RNN ? 1 : op.getCell() == Cell::GRU ? 2 : 3;
  Dim hidden = dimOf(op.getRecurrence().getType(), 1), directions = Dim::constant(ctx, op.getDirection() == Direction::Bidirectional ? 2 : 1);
  std::optional<int64_t> units = hidden.asConstant();
  if (!units || *units < 1)
    return refuse(where, "expected a hidden size that is known and at least 1, found ", hidden.str());
  if (failed(checkShape(where, "gates", op.getGates(), {gates[0], gates[1], directions, hidden * perUnit}, element)) ||
      failed(checkShape(where, "recurrence weights", op.getRecurrence(), {directions, hidden, hidden * perUnit}, element)) ||
      failed(checkShape(where, "a reset bias", op.getResetBias(), {directions, hidden}, element)) ||
      failed(checkShape(where, "lengths", op.getLengths(), {gates[1]}, IntegerType::get(ctx, 32))) ||
      failed(checkShape(where, "an initial h", op.getInitialH(), {directions, gates[1], hidden}, element)) ||
      failed(checkShape(where, "an initial c", op.getInitialC(), {directions, gates[1], hidden}, element)) ||
      failed(checkShape(where, "peepholes", op.getPeephole(), {directions, hidden * 3}, element)))
    return failure();
  if (failed(checkCount(where, "activations", op.getActivations().size(), functions, "the cell")) ||
      failed(checkCount(where, "alphas", op.getAlpha().size(), functions, "the activations")) ||
      failed(checkCount(where, "betas", op.getBeta().size(), functions, "the activations")))
    return failure();
  for (StringAttr name : op.getActivations().getAsRange<StringAttr>())
    if (!isActivation(name))
      return refuse(where, "'", name.getValue(), "' is no activation of recurrent layers");
  if (failed(giveTensor(where, {gates[0], directions, gates[1], hidden}, element, types)))
    return failure();
  for (int last = 0; last < 2; ++last)
    if (failed(giveTensor(where, {directions, gates[1], hidden}, element, types)))
      return failure();
  return success();
}

LogicalResult LinearAttentionOp::inferReturnTypes(MLIRContext *ctx, Where where, Adaptor op, Types &types) {
  for (Value operand : {op.getQuery(), op.getKey(), op.getValue()})
    if (failed(checkRank(where, "query, key and value", operand, 3)) || failed(checkFloat(where, operand)) ||
        failed(checkSameElements(where, op.getQuery(), operand)))
      return failure();
  int64_t queryHeads = op.getQueryHeads(), keyHeads = op.getKeyHeads();
  if (keyHeads < 1 || queryHeads < 1 || queryHeads % keyHeads != 0)
    return refuse(where, "expected the query's heads to be a multiple of the key's, found ", queryHeads, " and ", keyHeads);
  Type element = elementOf(op.getQuery());
  SmallVector<Dim> query = dimsOf(op.getQuery().getType());
  auto share = [](Dim size, int64_t heads) {
    std::optional<Dim> exact = size.dividedExactlyBy(Dim::constant(size.context(), heads));
    return exact || size.isConstant() ? exact : std::optional(size.floorDiv(heads));
  };
  std::optional<Dim> depth = share(query[2], queryHeads), width = share(dimOf(op.getValue().getType(), 2), keyHeads);
  if (!depth || !width)
    return refuse(where, "expected the same number of elements for each of ", queryHeads, " and ", keyHeads, " heads, found ", query[2].str(),
                  " and ", dimOf(op.getValue().getType(), 2).str());
  Dim heads = Dim::constant(ctx, keyHeads);
  if (failed(checkShape(where, "keys", op.getKey(), {query[0], query[1], *depth * heads}, element)) ||
      failed(checkShape(where, "values", op.getValue(), {query[0], query[1], *width * heads}, element)) ||
      failed(checkShape(where, "a past state", op.getPast(), {query[0], heads, *depth, *width}, element)))
    return failure();
  auto checkGate = [&](StringRef what, Value gate, std::initializer_list<Dim> sizes) -> LogicalResult {
    if (!gate)
      return success();
    bool fits = rankOf(gate) == 3 && (!dimOf(gate.getType(), 2).isConstant() || llvm::is_contained(sizes, dimOf(gate.getType(), 2)));
    return fits ? checkShape(where, what, gate, {query[0], query[1], dimOf(gate.getType(), 2)}, element)
                : refuse(where, "expected ", what, " with one entry for each head, found ", gate.getType());
  };
  if (failed(checkGate("a decay", op.getDecay(), {heads, *depth * heads})) ||
      failed(checkGate("a beta", op.getBeta(), {heads, Dim::constant(ctx, 1)})))
    return failure();
  if (failed(giveTensor(where, {query[0], query[1], *width * queryHeads}, element, types)))
    return failure();
  return giveTensor(where, {query[0], heads, *depth, *width}, element, types);
}

} // namespace tenon::nn
