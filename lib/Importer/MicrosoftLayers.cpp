// Microsoft's fused layers that are an activation, a norm or an embedding.
#include "lib/Importer/Operators.h"

namespace tenon::importer {
using namespace mlir;
using nn::Dim;

static Value gelu(Node &node, Value x, bool tanh) { return node.make<nn::GeluOp>(x, node.unit(tanh)); }

static void biasGelu(Node &node) { node.result(gelu(node, node.make<nn::AddOp>(node.in(0), node.in(1)), false)); }

static void fastGelu(Node &node) {
  Value x = node.in(1) ? node.make<nn::AddOp>(node.in(0), node.in(1)) : node.in(0);
  node.result(gelu(node, x, true));
}

static void quickGelu(Node &node) {
  Value scaled = node.make<nn::MulOp>(node.in(0), node.scalar(node.real("alpha", 1.702), node.element(0)));
  node.result(node.make<nn::MulOp>(node.in(0), node.make<nn::SigmoidOp>(scaled)));
}

static Value layerNorm(Node &node, Value x, Value scale, Value bias) {
  if (node.failed())
    return {};
  int64_t axis = cast<RankedTensorType>(x.getType()).getRank() - 1;
  return node.make<nn::LayerNormOp>(x, scale, bias, node.i64(axis), node.f64(node.real("epsilon", 1e-12)));
}

/// The statistics are there for training.
static bool hasStatistics(Node &node) {
  if (node.wants(1) || node.wants(2))
    node.unsupported("the mean and the deviation as results");
  return node.failed();
}

/// input + skip + bias, normalized; the sum is the fourth result.
static Value skipSum(Node &node, size_t bias) {
  Value sum = node.make<nn::AddOp>(node.in(0), node.in(1));
  return node.in(bias) ? node.make<nn::AddOp>(sum, node.in(bias)) : sum;
}

static void skipLayerNorm(Node &node) {
  if (hasStatistics(node))
    return;
  Value sum = skipSum(node, 4);
  node.result(0, layerNorm(node, sum, node.in(2), node.in(3)));
  node.result(3, sum);
}

static void skipRMSNorm(Node &node) {
  if (hasStatistics(node))
    return;
  Value sum = skipSum(node, 3);
  node.result(0, node.make<nn::RMSNormOp>(sum, node.in(2), Value(), node.i64(node.rank(0) - 1), node.f64(node.real("epsilon", 1e-12))));
  node.result(3, sum);
}

static void simplifiedLayerNorm(Node &node) {
  int64_t axis = node.axisOf(node.integer("axis", -1), node.rank(0));
  node.result(node.make<nn::RMSNormOp>(node.in(0), node.in(1), Value(), node.i64(axis), node.f64(node.real("epsilon", 1e-5))));
}

/// The sum of a word's, its position's and its segment's rows, normalized. Inputs: word ids, segment ids, the three tables, scale,
/// bias, mask, position ids.
static void embedLayerNorm(Node &node) {
  for (size_t i : {2, 3, 5, 6})
    if (!node.in(i))
      return node.invalid("input " + Twine(i) + " is missing");
  if (node.rank(0) != 2)
    return node.invalid("word ids of rank " + Twine(node.rank(0)) + "; [batch, sequence] was expected");
  auto rows = [&](size_t table, Value ids) { return node.make<nn::GatherOp>(node.in(table), ids, node.i64(0)); };
  SmallVector<Dim> ids = node.dims(0);
  Value position;
  if (node.in(8)) {
    position = rows(3, node.in(8));
  } else {
    position = node.slice(node.in(3), 0, node.dim(0), ids[1]);
  }
  Value sum = node.make<nn::AddOp>(rows(2, node.in(0)), position);
  if (node.in(1) && node.in(4))
    sum = node.make<nn::AddOp>(sum, rows(4, node.in(1)));
  node.result(0, layerNorm(node, sum, node.in(5), node.in(6)));
  node.result(2, sum);
  // How many words of each row count.
  Type i32 = node.builder.getI32Type();
  if (node.in(7))
    node.result(1, node.make<nn::ReduceOp>(node.cast(node.in(7), i32), nn::ReduceKindAttr::get(node.context, nn::ReduceKind::Sum),
                                           node.i64s({1}), UnitAttr()));
  else
    node.result(1, node.make<nn::ExpandOp>(node.scalar(0, i32), node.dimsAttr({ids[0]})));
}

void registerBlockQuantized(OperatorTable &table);
void registerMicrosoftAttention(OperatorTable &table);

void registerMicrosoftLayers(OperatorTable &table) {
  registerBlockQuantized(table);
  registerMicrosoftAttention(table);
  table.addMicrosoft("BiasGelu", 2, 2, biasGelu);
  table.addMicrosoft("FastGelu", 1, 2, fastGelu);
  table.addMicrosoft("QuickGelu", 1, 1, quickGelu);
  table.addMicrosoft("SkipLayerNormalization", 3, 5, skipLayerNorm);
  table.addMicrosoft("SkipSimplifiedLayerNormalization", 3, 4, skipRMSNorm);
  table.addMicrosoft("EmbedLayerNormalization", 1, 9, embedLayerNorm);
  table.add("SimplifiedLayerNormalization", 1, 2, 2, simplifiedLayerNorm); // ONNX Runtime writes it without a domain
}

} // namespace tenon::importer
