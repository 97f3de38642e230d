// Linear attention: a recurrent state of outer products.
#include "lib/Importer/Formula.h"
#include "lib/Importer/Operators.h"

namespace tenon::importer {
using namespace mlir;
using nn::Dim;

static void linearAttention(Node &node) {
  StringRef rule = node.text("update_rule", "gated_delta");
  bool gated = rule == "gated" || rule == "gated_delta", delta = rule == "delta" || rule == "gated_delta";
  if (!gated && !delta && rule != "linear")
    return node.invalid("update_rule is '" + rule + "'; linear, gated, delta or gated_delta was expected");
  if ((gated && !node.in(4)) || (delta && !node.in(5)))
    return node.invalid("update_rule '" + rule + "' needs " + (gated && !node.in(4) ? "a decay" : "a beta"));
  if (node.rank(0) != 3)
    return node.invalid("the query has rank " + Twine(node.rank(0)) + "; 3 was expected");
  int64_t queryHeads = node.integer("q_num_heads", 0), keyHeads = node.integer("kv_num_heads", 0);
  std::optional<Dim> depth = queryHeads > 0 ? node.dims(0)[2].dividedExactlyBy(node.dim(queryHeads)) : std::nullopt;
  if (!depth && (queryHeads < 1 || node.dims(0)[2].isConstant()))
    return node.invalid("q_num_heads is " + Twine(queryHeads) + ", which does not divide the last axis of the query");
  for (size_t i : {1, 2})
    if (node.rank(i) != 3)
      return node.invalid("input " + Twine(i) + " has rank " + Twine(node.rank(i)) + "; 3 was expected");
  Dim perHead = depth ? *depth : node.dims(0)[2].floorDiv(queryHeads);
  node.require(node.dims(1)[2], perHead * keyHeads, "the last axis of the key");
  node.require(node.dims(1)[1], node.dims(0)[1], "the length of the key");
  node.require(node.dims(2)[1], node.dims(0)[1], "the length of the value");
  double scale = node.real("scale", 0.0);
  bool isFree = scale == 0.0 && !(depth && depth->isConstant());
  if (isFree)
    scale = 1.0;
  else if (scale == 0.0)
    scale = 1.0 / std::sqrt(std::max(1.0, double(*depth->asConstant())));
  // The recurrence is in f32 whatever the types are.
  auto real = [&](Value value) { return value ? node.cast(value, node.builder.getF32Type()) : value; };
  Value query = real(node.in(0)), key = real(node.in(1)), value = real(node.in(2)), past = real(node.in(3));
  Value decay = gated ? real(node.in(4)) : Value(), beta = delta ? real(node.in(5)) : Value();
  SmallVector<Value> out =
      node.makeAll<nn::LinearAttentionOp>(2, query, key, value, past, decay, beta, node.i64(queryHeads), node.i64(keyHeads), node.f64(scale));
  if (node.failed())
    return;
  if (isFree) {
    Formula f(node);
    out[0] = f.mul(out[0], f.inverseRoot(perHead, node.builder.getF32Type()));
  }
  node.result(0, node.cast(out[0], node.element(0)));
  node.result(1, node.cast(out[1], node.in(3) ? node.element(3) : node.element(0)));
}

void registerLinearAttention(OperatorTable &table) {
  table.add("LinearAttention", 27, 3, 6, linearAttention);
}

} // namespace tenon::importer
