// Scaled dot-product attention.
#include "lib/Importer/Operators.h"

namespace tenon::importer {
using namespace mlir;
using nn::Dim;

/// [batch, sequence, heads * size] to [batch, heads, sequence, size]; null after a failure.
static Value splitHeads(Node &node, Value value, int64_t heads) {
  SmallVector<Dim> dims = nn::dimsOf(value.getType());
  if (dims.size() == 4)
    return value;
  std::optional<Dim> size = heads > 0 ? dims[2].dividedExactlyBy(node.dim(heads)) : std::nullopt;
  if (!size) {
    node.invalid("the number of heads, " + Twine(heads) + ", does not divide the last axis");
    return {};
  }
  return node.transpose(node.reshape(value, {dims[0], dims[1], node.dim(heads), *size}), {0, 2, 1, 3});
}

static void attention(Node &node) {
  for (size_t i = 0; i < 3; ++i)
    if (node.rank(i) != node.rank(0) || (node.rank(i) != 3 && node.rank(i) != 4))
      return node.invalid("query, key and value must all have rank 3 or 4");
  if (node.in(4) || node.in(5))
    return node.unsupported("a cache of past keys and values");
  if (node.in(6))
    return node.unsupported("lengths of keys and values");
  if (node.real("softcap", 0.0) != 0.0)
    return node.unsupported("softcap");
  Value query = splitHeads(node, node.in(0), node.integer("q_num_heads", 0));
  int64_t keyHeads = node.integer("kv_num_heads", 0);
  Value key = node.failed() ? Value() : splitHeads(node, node.in(1), keyHeads);
  Value value = node.failed() ? Value() : splitHeads(node, node.in(2), keyHeads);
  if (node.failed())
    return;
  Dim size = nn::dimOf(query.getType(), 3);
  if (!size.isConstant() && !node.attribute("scale"))
    return node.unsupported("a free size of heads");
  bool causal = node.integer("is_causal", 0) != 0;
  if (causal && nn::dimOf(query.getType(), 2) != nn::dimOf(key.getType(), 2))
    return node.unsupported("a causal mask for queries and keys of different numbers");
  double scale = node.real("scale", size.isConstant() ? 1.0 / std::sqrt(double(*size.asConstant())) : 1.0);
  Value out = node.make<nn::AttentionOp>(query, key, value, node.in(3), node.f64(scale), node.unit(causal), node.unit(true));
  if (node.failed() || node.rank(0) == 4)
    return node.result(out);
  SmallVector<Dim> dims = nn::dimsOf(out.getType());
  node.result(node.reshape(node.transpose(out, {0, 2, 1, 3}), {dims[0], dims[2], dims[1] * dims[3]}));
}

void registerAttention(OperatorTable &table) { table.add("Attention", 23, 3, 7, attention); }

} // namespace tenon::importer
