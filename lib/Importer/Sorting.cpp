// The best elements of an axis.
#include "lib/Importer/Operators.h"

namespace tenon::importer {
using namespace mlir;
using nn::Dim;

static void topK(Node &node) {
  if (node.rank(0) < 1)
    return node.invalid("the input has no axis");
  std::optional<SmallVector<Dim>> k;
  node.takeOne(1);
  if (node.opset >= 10)
    k = node.sizes(1);
  else
    k = SmallVector<Dim>{node.dim(node.integer("k", -1))};
  if (!k)
    return;
  if (k->size() != 1 || (k->front().isConstant() && *k->front().asConstant() < 0))
    return node.invalid("k must be one number, at least 0");
  int64_t axis = node.axisOf(node.integer("axis", -1), node.rank(0));
  if (node.failed())
    return;
  Dim extent = node.dims(0)[axis];
  if (!k->front().isConstant() || !extent.isConstant()) // the op says so where both are known
    node.requireAtMost(k->front(), extent, "the number of elements it takes");
  // sorted = 0 allows any order, this one too.
  SmallVector<Value> out = node.makeAll<nn::TopKOp>(2, node.in(0), node.dimsAttr(*k), node.i64(axis), node.unit(node.integer("largest", 1) == 0));
  node.result(0, out[0]);
  node.result(1, out[1]);
}

void registerSorting(OperatorTable &table) {
  table.add("TopK", 1, 1, 2, topK);
}

} // namespace tenon::importer
