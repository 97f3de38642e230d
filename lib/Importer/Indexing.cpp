// Reading and writing at indices that are tensors themselves.
#include "lib/Importer/Operators.h"

namespace tenon::importer {
using namespace mlir;
using nn::Dim;

static bool haveIndices(Node &node, size_t i) {
  if (!node.element(i).isInteger(32) && !node.element(i).isInteger(64))
    node.invalid("the indices must be 32- or 64-bit integers");
  return !node.failed();
}

template <typename Op> static void gatherAlong(Node &node) {
  if (!haveIndices(node, 1))
    return;
  int64_t axis = node.axisOf(node.integer("axis", 0), node.rank(0));
  node.result(node.make<Op>(node.in(0), node.in(1), node.i64(axis)));
}

static void gatherND(Node &node) {
  if (haveIndices(node, 1))
    node.result(node.make<nn::GatherNDOp>(node.in(0), node.in(1), node.i64(node.integer("batch_dims", 0))));
}

/// What happens where two updates meet; a null attribute: the last one stays. None after a failure.
static std::optional<nn::ReduceKindAttr> reductionOf(Node &node) {
  StringRef text = node.text("reduction", "none");
  auto kind = [&](nn::ReduceKind kind) { return nn::ReduceKindAttr::get(node.context, kind); };
  if (text == "none")
    return nn::ReduceKindAttr();
  if (text == "add")
    return kind(nn::ReduceKind::Sum);
  if (text == "mul")
    return kind(nn::ReduceKind::Prod);
  if (text == "max")
    return kind(nn::ReduceKind::Max);
  if (text == "min")
    return kind(nn::ReduceKind::Min);
  node.invalid("reduction is '" + text + "'");
  return std::nullopt;
}

static bool haveUpdates(Node &node) {
  if (node.element(2) != node.element(0))
    node.invalid("the updates must have the input's element type");
  return haveIndices(node, 1) && !node.failed();
}

static void scatterElements(Node &node) {
  std::optional<nn::ReduceKindAttr> reduction = reductionOf(node);
  if (!reduction || !haveUpdates(node))
    return;
  int64_t axis = node.axisOf(node.integer("axis", 0), node.rank(0));
  node.result(node.make<nn::ScatterElementsOp>(node.in(0), node.in(1), node.in(2), node.i64(axis), *reduction));
}

static void scatterND(Node &node) {
  std::optional<nn::ReduceKindAttr> reduction = reductionOf(node);
  if (reduction && haveUpdates(node))
    node.result(node.make<nn::ScatterNDOp>(node.in(0), node.in(1), node.in(2), *reduction));
}

static void oneHot(Node &node) {
  std::optional<SmallVector<Dim>> depth = node.sizes(1);
  if (!depth)
    return;
  if (depth->size() != 1 || node.rank(2) != 1 || !node.dims(2)[0].isConstant(2))
    return node.invalid("depth must be one number, and values the pair of off and on");
  int64_t axis = node.axisOf(node.integer("axis", -1), node.rank(0) + 1);
  Value indices = node.cast(node.in(0), node.builder.getI64Type());
  node.result(node.make<nn::OneHotOp>(indices, node.in(2), node.dimsAttr(*depth), node.i64(axis)));
}

void registerIndexing(OperatorTable &table) {
  table.add("Gather", 1, 2, 2, gatherAlong<nn::GatherOp>);
  table.add("GatherElements", 11, 2, 2, gatherAlong<nn::GatherElementsOp>);
  table.add("GatherND", 11, 2, 2, gatherND);
  table.add("Scatter", 9, 3, 3, scatterElements, 10);
  table.add("ScatterElements", 11, 3, 3, scatterElements);
  table.add("ScatterND", 11, 3, 3, scatterND);
  table.add("OneHot", 9, 3, 3, oneHot);
}

} // namespace tenon::importer
