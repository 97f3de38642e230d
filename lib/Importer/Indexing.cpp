// Reading and writing at indices that are tensors themselves.
#include "lib/Importer/Formula.h"
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
  int64_t outer = node.rank(1) - 1, batch = node.integer("batch_dims", 0);
  if (std::optional<int64_t> rank = node.declaredRank(); rank && outer >= 0) // rank = outer + what is left of the data's axes
    node.takeSize(1, outer, outer + node.rank(0) - batch - *rank);
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
  if (int64_t outer = node.rank(1) - 1; outer >= 0) // the updates have the outer axes and those of the data that no coordinate names
    node.takeSize(1, outer, outer + node.rank(0) - node.rank(2));
  if (reduction && haveUpdates(node))
    node.result(node.make<nn::ScatterNDOp>(node.in(0), node.in(1), node.in(2), *reduction));
}

static void oneHot(Node &node) {
  node.takeOne(1);
  node.takeLength(2, 2);
  std::optional<SmallVector<Dim>> depth = node.sizes(1);
  if (!depth)
    return;
  if (depth->size() != 1 || node.rank(2) != 1 || !node.dims(2)[0].isConstant(2))
    return node.invalid("depth must be one number, and values the pair of off and on");
  int64_t axis = node.axisOf(node.integer("axis", -1), node.rank(0) + 1);
  Value indices = node.cast(node.in(0), node.builder.getI64Type());
  node.result(node.make<nn::OneHotOp>(indices, node.in(2), node.dimsAttr(*depth), node.i64(axis)));
}

/// The first sequence_lens[b] entries of sequence b, back to front.
static void reverseSequence(Node &node) {
  int64_t time = node.integer("time_axis", 0), batch = node.integer("batch_axis", 1);
  if (node.rank(0) < 2 || time + batch != 1 || time * batch != 0)
    return node.invalid("time_axis and batch_axis are " + Twine(time) + " and " + Twine(batch) + "; 0 and 1 were expected");
  Formula f(node);
  SmallVector<Dim> dims = node.dims(0), plane{dims[0], dims[1]};
  Value lengths = node.cast(node.in(1), node.builder.getI64Type());
  if (sizesOf(lengths).size() != 1)
    return node.invalid("the lengths have rank " + Twine(node.rank(1)) + "; 1 was expected");
  SmallVector<Dim> column{node.dim(1), node.dim(1)};
  column[batch] = dims[batch];
  Value step = f.positions(dims[time], time, 2), length = node.reshape(lengths, column);
  Value from = f.select(f.less(step, length), f.add(f.sub(length, step), -1.0), step);
  Value pair[2];
  pair[time] = f.unsqueeze(f.expand(from, plane), 2);
  pair[batch] = f.unsqueeze(f.expand(f.positions(dims[batch], batch, 2), plane), 2);
  node.result(node.make<nn::GatherNDOp>(node.in(0), f.concat(pair, 2), node.i64(0)));
}

/// Writes `update` into a cache along `axis`, from a position of each batch's own; a circular cache goes on at its start.
static void tensorScatter(Node &node) {
  StringRef mode = node.text("mode", "linear");
  if (mode != "linear" && mode != "circular")
    return node.invalid("mode is '" + mode + "'; linear or circular was expected");
  int64_t rank = node.rank(0), axis = node.axisOf(node.integer("axis", -2), rank);
  if (node.failed() || node.rank(1) != rank || node.element(1) != node.element(0) || axis == 0)
    return node.invalid("cache and update must have one rank and element type, and the axis not be the batch");
  Formula f(node);
  SmallVector<Dim> cache = node.dims(0), update = node.dims(1), first(rank, node.dim(1));
  first[0] = update[0];
  Value position = f.positions(update[axis], axis, rank);
  if (node.in(2))
    position = f.add(position, node.reshape(node.cast(node.in(2), node.builder.getI64Type()), first));
  if (mode == "circular")
    position = node.make<nn::ModOp>(position, f.sizeValue(cache[axis]), UnitAttr());
  node.result(node.make<nn::ScatterElementsOp>(node.in(0), f.expand(position, update), node.in(1), node.i64(axis), nn::ReduceKindAttr()));
}

void registerIndexing(OperatorTable &table) {
  table.add("Gather", 1, 2, 2, gatherAlong<nn::GatherOp>);
  table.add("GatherElements", 11, 2, 2, gatherAlong<nn::GatherElementsOp>);
  table.add("GatherND", 11, 2, 2, gatherND);
  table.add("Scatter", 9, 3, 3, scatterElements, 10);
  table.add("ScatterElements", 11, 3, 3, scatterElements);
  table.add("ScatterND", 11, 3, 3, scatterND);
  table.add("OneHot", 9, 3, 3, oneHot);
  table.add("ReverseSequence", 10, 2, 2, reverseSequence);
  table.add("TensorScatter", 24, 2, 3, tensorScatter);
}

} // namespace tenon::importer
