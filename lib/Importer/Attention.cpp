// Scaled dot-product attention.
#include "lib/Importer/AttentionMask.h"
#include "lib/Importer/AttentionSteps.h"
#include "lib/Importer/Formula.h"
#include "lib/Importer/Operators.h"
#include "lib/Importer/TensorData.h"

namespace tenon::importer {
using namespace mlir;
using nn::Dim;

/// [batch, sequence, heads * size] to [batch, heads, sequence, size]; null after a failure.
static Value splitHeads(Node &node, Value value, int64_t heads) {
  SmallVector<Dim> dims = nn::dimsOf(value.getType());
  if (dims.size() == 4)
    return value;
  std::optional<Dim> size = heads > 0 ? dims[2].dividedExactlyBy(node.dim(heads)) : std::nullopt;
  if (!size && (heads < 1 || dims[2].isConstant())) {
    node.invalid("the number of heads, " + Twine(heads) + ", does not divide the last axis");
    return {};
  }
  Dim each = size ? *size : dims[2].floorDiv(heads);
  return node.transpose(node.reshape(value, {dims[0], dims[1], node.dim(heads), each}), {0, 2, 1, 3});
}

static bool checkAttention(Node &node) {
  for (size_t i = 0; i < 3; ++i)
    if (node.rank(i) != node.rank(0) || (node.rank(i) != 3 && node.rank(i) != 4))
      node.invalid("query, key and value must all have rank 3 or 4");
  if (bool(node.in(4)) != bool(node.in(5)))
    node.invalid("past keys and past values are given together or not at all");
  if (node.in(6) && node.in(4))
    node.invalid("lengths of keys and past keys exclude each other");
  if (node.in(6) && node.rank(6) != 1)
    node.invalid("the lengths of keys have rank " + Twine(node.rank(6)) + "; 1 was expected");
  for (size_t i : {4, 5})
    if (node.in(i) && node.rank(i) != 4)
      node.invalid("input " + Twine(i) + " has rank " + Twine(node.rank(i)) + "; 4 was expected");
  int64_t mode = node.integer("qk_matmul_output_mode", 0);
  if (mode < 0 || mode > 3)
    node.invalid("qk_matmul_output_mode is " + Twine(mode) + "; 0 to 3 was expected");
  for (StringRef window : {"left_window_size", "right_window_size"})
    if (node.integer(window, -1) < -1)
      node.invalid(window + " is below -1");
  return !node.failed();
}

static void attention(Node &node) {
  if (!checkAttention(node))
    return;
  Formula f(node);
  AttentionOperands in;
  in.query = splitHeads(node, node.in(0), node.integer("q_num_heads", 0));
  int64_t keyHeads = node.integer("kv_num_heads", 0);
  in.key = node.failed() ? Value() : splitHeads(node, node.in(1), keyHeads);
  in.value = node.failed() ? Value() : splitHeads(node, node.in(2), keyHeads);
  if (node.failed())
    return;
  Dim past = node.dim(0);
  if (node.in(4)) {
    past = node.dims(4)[2];
    in.key = f.concat({node.in(4), in.key}, 2);
    in.value = f.concat({node.in(5), in.value}, 2);
    if (node.failed())
      return;
  }
  Dim size = nn::dimOf(in.query.getType(), 3), queries = nn::dimOf(in.query.getType(), 2), keys = nn::dimOf(in.key.getType(), 2);
  if (!size.isConstant() && !node.attribute("scale"))
    in.freeScale = f.inverseRoot(size, node.element(0));
  in.scale = node.real("scale", size.isConstant() ? 1.0 / std::sqrt(double(*size.asConstant())) : 1.0);

  Type element = node.element(0), precision = element;
  if (int64_t given = node.integer("softmax_precision", 0))
    precision = elementType(node.context, int32_t(given));
  if (!precision || !isa<FloatType>(precision))
    return node.invalid("softmax_precision is no type of floating-point numbers");
  double softcap = node.real("softcap", 0.0);
  bool isPlain = softcap == 0.0 && !node.wants(3) && precision == element && !element.isF64() && in.scale > 0 && size.isConstant() &&
                 nn::dimOf(in.value.getType(), 3).isConstant();
  MaskInputs mask{
      node.in(3), node.in(6), past, node.integer("is_causal", 0) != 0, node.integer("left_window_size", -1), node.integer("right_window_size", -1)};
  bool causal = isPlain && mask.causal && !mask.validKeys && keys - queries == past;
  mask.causal &= !causal;
  in.mask = attentionMask(node, mask, queries, keys, element);
  if (node.failed())
    return;

  Value out, scores;
  if (isPlain)
    out = node.make<nn::AttentionOp>(in.query, in.key, in.value, in.mask, node.f64(in.scale), node.unit(causal), node.unit(true));
  else
    out = spelledOut(node, in, softcap, precision, AttentionScores(node.integer("qk_matmul_output_mode", 0)), scores);
  if (node.failed())
    return;
  SmallVector<Dim> dims = nn::dimsOf(out.getType());
  node.result(0, node.rank(0) == 4 ? out : node.reshape(node.transpose(out, {0, 2, 1, 3}), {dims[0], dims[2], dims[1] * dims[3]}));
  node.result(1, in.key);
  node.result(2, in.value);
  node.result(3, scores);
}

void registerAttention(OperatorTable &table) { table.add("Attention", 23, 3, 7, attention); }

} // namespace tenon::importer
