#include "lib/Importer/AttentionSteps.h"
#include "lib/Importer/Formula.h"

namespace tenon::importer {
using namespace mlir;
using nn::Dim;

/// [batch, heads of queries, rows, columns] as [batch, heads of keys, queries a key, rows, columns].
static Value grouped(Node &node, Value value, Dim groups, Dim members) {
  SmallVector<Dim> d = sizesOf(value);
  return node.failed() ? Value() : node.reshape(value, {d[0], groups, members, d[2], d[3]});
}

/// left * right for every head, where left has `members` heads for each of right's.
static Value groupedProduct(Node &node, Value left, Value right, bool transposeRhs) {
  Formula f(node);
  SmallVector<Dim> l = sizesOf(left), r = sizesOf(right);
  if (node.failed() || l[1] == r[1])
    return f.matmul(left, right, transposeRhs);
  std::optional<Dim> members = l[1].dividedExactlyBy(r[1]);
  Dim each = members ? *members : l[1].floorDiv(r[1]);
  Value product = f.matmul(grouped(node, left, r[1], each), f.unsqueeze(right, 2), transposeRhs);
  return node.failed() ? Value() : node.reshape(product, {l[0], l[1], l[2], transposeRhs ? r[2] : r[3]});
}

/// Over the keys, and one more of the value 0 where there is a sink.
static Value softmaxWithSink(Node &node, Value scores, Value sink) {
  if (!sink || node.failed())
    return node.make<nn::SoftmaxOp>(scores, node.i64(3), UnitAttr());
  Formula f(node);
  SmallVector<Dim> column = nn::dimsOf(scores.getType());
  Dim keys = column[3];
  column[3] = node.dim(1);
  Value all = f.concat({scores, f.expand(node.cast(sink, getElementTypeOrSelf(scores.getType())), column)}, 3);
  return node.failed() ? Value() : node.slice(node.make<nn::SoftmaxOp>(all, node.i64(3), UnitAttr()), 3, node.dim(0), keys);
}

Value spelledOut(Node &node, const AttentionOperands &in, double softcap, Type precision, AttentionScores shown, Value &scores) {
  Formula f(node);
  Type element = getElementTypeOrSelf(in.query.getType());
  Value scaled = in.freeScale ? f.mul(in.query, in.freeScale) : f.mul(in.query, in.scale);
  Value raw = groupedProduct(node, scaled, in.key, true);
  Value capped = raw;
  if (softcap != 0.0)
    capped = f.mul(node.make<nn::TanhOp>(f.div(raw, softcap)), softcap);
  Value bias = in.mask;
  Value nothing = node.scalar(-INFINITY, element);
  if (bias && getElementTypeOrSelf(bias.getType()).isInteger(1))
    bias = f.select(bias, node.scalar(0, element), nothing);
  Value masked = capped, hidden;
  if (bias && !node.failed()) {
    // -inf hides a key whatever its score is, NaN included.
    masked = f.select(f.equal(bias, nothing), nothing, f.add(capped, bias));
    int64_t last = cast<ShapedType>(bias.getType()).getRank() - 1;
    hidden = f.equal(f.reduce(nn::ReduceKind::Max, bias, {last}), nothing);
  }
  Value probabilities = softmaxWithSink(node, node.cast(masked, precision), in.sink);
  if (hidden)
    probabilities = f.select(hidden, node.scalar(0, precision), probabilities);
  probabilities = node.cast(probabilities, element);
  switch (shown) {
  case AttentionScores::Raw:
    scores = raw;
    break;
  case AttentionScores::Capped:
    scores = capped;
    break;
  case AttentionScores::Masked:
    scores = bias ? f.add(capped, bias) : capped;
    break;
  case AttentionScores::Probabilities:
    scores = probabilities;
    break;
  }
  return groupedProduct(node, probabilities, in.value, false);
}

} // namespace tenon::importer
