// Attention whose scores and probabilities go through graphs of the model's own.
#include "lib/Importer/Formula.h"
#include "lib/Importer/GraphImporter.h"
#include "lib/Importer/Operators.h"
#include "lib/Importer/TensorData.h"

namespace tenon::importer {
using namespace mlir;
using nn::Dim;

/// `value` after the graph that the attribute holds, which keeps its type; as it is without one.
static Value modified(Node &node, StringRef name, Value value) {
  const onnx::AttributeProto *attribute = node.attribute(name);
  if (node.failed() || !attribute)
    return value;
  if (!attribute->has_g()) {
    node.invalid("attribute '" + name + "' holds no graph");
    return {};
  }
  if (attribute->g().input_size() != 1) {
    node.invalid(name + " has " + Twine(attribute->g().input_size()) + " inputs; 1 was expected");
    return {};
  }
  SmallVector<Value> results;
  if (failed(node.importer.inlineBranch(attribute->g(), node.scope, results, {{attribute->g().input(0).name(), value}}))) {
    node.stop();
    return {};
  }
  if (results.size() != 1) {
    node.invalid(name + " has " + Twine(results.size()) + " results; 1 was expected");
    return {};
  }
  if (!results[0]) // of a node that is not supported, which is reported by itself
    node.unsupported(name + " holds an operator that is not supported");
  else if (results[0].getType() != value.getType())
    node.invalid(name + " changes the type of what it is given");
  return node.failed() ? Value() : results[0];
}

static void flexAttention(Node &node) {
  for (size_t i = 0; i < 3; ++i)
    if (node.rank(i) != 4 || node.element(i) != node.element(0))
      return node.invalid("query, key and value must have rank 4 and one element type");
  Formula f(node);
  Value query = node.in(0), key = node.in(1), value = node.in(2);
  SmallVector<Dim> q = node.dims(0), k = node.dims(1), v = node.dims(2);
  Value scale = f.inverseRoot(q[3], node.element(0));
  if (node.attribute("scale") || q[3].isConstant())
    scale = f.number(node.real("scale", q[3].isConstant() ? 1.0 / std::sqrt(double(*q[3].asConstant())) : 1.0), query);
  Type element = node.element(0), precision = element.isF64() ? element : Type(node.builder.getF32Type());
  if (int64_t given = node.integer("softmax_precision", 0))
    precision = elementType(node.context, int32_t(given));
  if (!isa_and_nonnull<FloatType>(precision))
    return node.invalid("softmax_precision is no type of floating-point numbers");

  std::optional<Dim> members = q[1].dividedExactlyBy(k[1]);
  if (!members && q[1].isConstant() && k[1].isConstant())
    return node.invalid("the heads of the query, " + q[1].str() + ", are no multiple of those of the key, " + k[1].str());
  Dim each = members ? *members : q[1].floorDiv(k[1]);
  // [batch, heads of keys, queries a key, rows, columns]
  Value rows = node.reshape(f.mul(query, scale), {q[0], k[1], each, q[2], q[3]});
  Value scores = f.matmul(rows, f.unsqueeze(key, 2), true);
  scores = node.cast(node.reshape(scores, {q[0], q[1], q[2], k[2]}), precision);
  Value probabilities = node.make<nn::SoftmaxOp>(modified(node, "score_mod", scores), node.i64(3), UnitAttr());
  probabilities = modified(node, "prob_mod", probabilities);
  if (node.failed())
    return;
  Value out = f.matmul(node.reshape(probabilities, {q[0], k[1], each, q[2], k[2]}), f.unsqueeze(node.cast(value, precision), 2));
  node.result(node.cast(node.reshape(out, {q[0], q[1], q[2], v[3]}), element));
}

void registerFlexAttention(OperatorTable &table) {
  table.addTo(kPreviewDomain, "FlexAttention", 3, 3, flexAttention);
}

} // namespace tenon::importer
