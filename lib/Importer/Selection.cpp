// Results whose size depends on values: NonZero, Compress, Unique, TopK, NonMaxSuppression.
#include "lib/Importer/Operators.h"

namespace tenon::importer {
using namespace mlir;
using nn::Dim;

/// How many elements of a boolean tensor are true: a symbol that the run defines.
static Dim countTrue(Node &node, Value mask) {
  Value ones = node.cast(mask, node.builder.getI64Type());
  if (node.failed())
    return node.dim(0);
  SmallVector<int64_t> axes = llvm::to_vector(llvm::seq<int64_t>(0, cast<RankedTensorType>(mask.getType()).getRank()));
  Value count = node.make<nn::ReduceOp>(ones, nn::ReduceKindAttr::get(node.context, nn::ReduceKind::Sum), node.i64s(axes), UnitAttr());
  SmallVector<Dim> read = node.readSizes(count, "count");
  return read.empty() ? node.dim(0) : read.front();
}

/// The coordinates of what is true, [rank, count].
static Value coordinatesOf(Node &node, Value mask) {
  Dim count = countTrue(node, mask);
  return node.make<nn::NonZeroOp>(mask, count.attr());
}

/// The positions of what is true in a vector.
static Value positionsOf(Node &node, Value mask) {
  Value coordinates = coordinatesOf(node, mask);
  return node.failed() ? Value() : node.reshape(coordinates, {nn::dimsOf(coordinates.getType())[1]});
}

static Value flat(Node &node, Value value) {
  return node.reshape(value, {nn::numElements(value.getType())});
}

static void nonZero(Node &node) {
  Value input = node.rank(0) == 0 ? node.reshape(node.in(0), {node.dim(1)}) : node.in(0);
  Value mask = node.cast(input, node.builder.getI1Type());
  if (!node.failed())
    node.result(coordinatesOf(node, mask));
}

static void compress(Node &node) {
  if (node.rank(1) != 1 || !node.element(1).isInteger(1))
    return node.invalid("the condition must be a vector of booleans");
  bool isFlat = !node.attribute("axis");
  int64_t axis = isFlat ? 0 : node.axisOf(node.integer("axis", 0), node.rank(0));
  if (node.failed())
    return;
  Value input = isFlat ? flat(node, node.in(0)) : node.in(0);
  Value condition = node.in(1);
  Dim given = node.dims(1)[0], extent = nn::dimsOf(input.getType())[axis];
  if (given.isConstant() && extent.isConstant() && *given.asConstant() > *extent.asConstant())
    return node.invalid("the condition has " + given.str() + " entries for " + extent.str() + " elements");
  node.result(node.make<nn::GatherOp>(input, positionsOf(node, condition), node.i64(axis)));
}

/// The order of vectors along axis `axis` of [.., n, ..] for each of the others, which come first: [others, n].
static Value orderOf(Node &node, Value batched, bool descending) {
  return node.makeAll<nn::SortIndicesOp>(2, batched, node.unit(descending)).front();
}

static Value scalarInteger(Node &node, int64_t value) {
  return node.scalar(double(value), node.builder.getI64Type());
}

/// [n] with a one where a vector differs from the one before it, and at the first; `sorted` is [n, m].
static Value startsOfRuns(Node &node, Value sorted) {
  if (node.failed())
    return {};
  SmallVector<Dim> dims = nn::dimsOf(sorted.getType());
  Type index = node.builder.getI64Type();
  // Positions 0, 0, 1, 2 ...: each vector's predecessor, the first its own.
  Value position = node.make<nn::RangeOp>(scalarInteger(node, 0), scalarInteger(node, 1), node.dimsAttr({dims[0]}));
  Value before = node.make<nn::MaxOp>(node.make<nn::SubOp>(position, scalarInteger(node, 1)), scalarInteger(node, 0));
  Value isSame = node.make<nn::EqualOp>(sorted, node.make<nn::GatherOp>(sorted, before, node.i64(0)));
  Value all =
      node.make<nn::ReduceOp>(node.cast(isSame, index), nn::ReduceKindAttr::get(node.context, nn::ReduceKind::Min), node.i64s({1}), UnitAttr());
  Value isFirst = node.make<nn::EqualOp>(position, scalarInteger(node, 0));
  return node.make<nn::OrOp>(isFirst, node.make<nn::EqualOp>(all, scalarInteger(node, 0)));
}

static Value scatter(Node &node, Value into, Value at, Value updates, std::optional<nn::ReduceKind> reduction = std::nullopt) {
  auto kind = reduction ? nn::ReduceKindAttr::get(node.context, *reduction) : nn::ReduceKindAttr();
  return node.make<nn::ScatterElementsOp>(into, at, updates, node.i64(0), kind);
}

static Value filled(Node &node, int64_t value, Dim size) {
  return node.make<nn::ExpandOp>(scalarInteger(node, value), node.dimsAttr({size}));
}

/// Slices along `axis` (elements of the flattened input without it) as the rows of a matrix, their distinct ones in sorted order, or in that of their
/// first occurrence.
static void unique(Node &node) {
  bool isFlat = !node.attribute("axis"), isSorted = node.integer("sorted", 1) != 0;
  int64_t axis = isFlat ? 0 : node.axisOf(node.integer("axis", 0), node.rank(0));
  if (node.failed())
    return;
  Value input = isFlat ? flat(node, node.in(0)) : node.in(0);
  int64_t rank = cast<RankedTensorType>(input.getType()).getRank();
  SmallVector<int64_t> permutation{axis}, back(rank);
  for (int64_t i = 0; i < rank; ++i)
    if (i != axis)
      permutation.push_back(i);
  for (auto [to, from] : llvm::enumerate(permutation))
    back[from] = to;
  Value moved = axis == 0 ? input : node.transpose(input, permutation);
  if (node.failed())
    return;
  SmallVector<Dim> dims = nn::dimsOf(moved.getType());
  Dim n = dims[0], m = nn::product(node.context, ArrayRef(dims).drop_front());
  Value rows = node.reshape(moved, {n, m});
  Value order = orderOf(node, node.reshape(rows, {node.dim(1), n, m}), false);
  if (node.failed())
    return;
  order = node.reshape(order, {n});
  Value isStart = startsOfRuns(node, node.make<nn::GatherOp>(rows, order, node.i64(0)));
  if (node.failed())
    return;
  Value startPositions = positionsOf(node, isStart);
  Value run = node.make<nn::SubOp>(node.make<nn::CumSumOp>(node.cast(isStart, node.builder.getI64Type()), node.i64(0), UnitAttr(), UnitAttr()),
                                   scalarInteger(node, 1));
  Value firsts = node.make<nn::GatherOp>(order, startPositions, node.i64(0)); // the sort is stable: the first of a run is the first of all
  if (node.failed())
    return;
  Dim count = nn::dimsOf(firsts.getType())[0];
  if (!isSorted) {
    Value sortedFirsts = orderOf(node, node.reshape(firsts, {node.dim(1), count, node.dim(1)}), false);
    Value byOccurrence = node.failed() ? Value() : node.reshape(sortedFirsts, {count});
    Value place = node.make<nn::RangeOp>(scalarInteger(node, 0), scalarInteger(node, 1), node.dimsAttr({count}));
    run = node.make<nn::GatherOp>(scatter(node, filled(node, 0, count), byOccurrence, place), run, node.i64(0));
    firsts = node.make<nn::GatherOp>(firsts, byOccurrence, node.i64(0));
  }
  Value distinct = node.make<nn::GatherOp>(moved, firsts, node.i64(0));
  node.result(0, axis == 0 ? distinct : node.transpose(distinct, back));
  if (node.wants(1))
    node.result(1, firsts);
  if (node.wants(2))
    node.result(2, scatter(node, filled(node, 0, n), order, run));
  if (node.wants(3))
    node.result(3, scatter(node, filled(node, 0, count), run, filled(node, 1, n), nn::ReduceKind::Sum));
}

/// One number of `element`, or `otherwise` where input i is left out.
static Value numberFrom(Node &node, size_t i, double otherwise, Type element) {
  if (!node.in(i) || nn::numElements(node.in(i).getType()).isConstant(0))
    return node.scalar(otherwise, element);
  node.takeOne(i);
  if (!nn::numElements(node.in(i).getType()).isConstant(1)) {
    node.invalid("input " + Twine(i) + " must be one number");
    return {};
  }
  return node.cast(node.reshape(node.in(i), {}), element);
}

/// The positions of what scores above `least`, best first, in each class of [images, classes, boxes]. Few of many boxes do, which are all that is
/// sorted; where a class has fewer than another, positions that are no candidates follow.
static Value candidatesByScore(Node &node, Value scores, Value least) {
  Type index = node.builder.getI64Type();
  auto reduce = [&](Value x, nn::ReduceKind kind, ArrayRef<int64_t> axes) -> Value {
    return node.failed() ? Value() : node.make<nn::ReduceOp>(x, nn::ReduceKindAttr::get(node.context, kind), node.i64s(axes), UnitAttr());
  };
  Value isCandidate = node.make<nn::GreaterOp>(scores, least);
  Value counts = reduce(node.cast(isCandidate, index), nn::ReduceKind::Sum, {2});
  Value most = reduce(counts, nn::ReduceKind::Max, {0, 1});
  if (node.failed())
    return {};
  // Of no classes at all the maximum is the smallest integer.
  SmallVector<Dim> count = node.readSizes(node.make<nn::MaxOp>(most, scalarInteger(node, 0)), "candidates");
  if (node.failed())
    return {};
  // NaN is in no order and would not be above the threshold.
  Value ranked = node.make<nn::SelectOp>(isCandidate, scores, node.scalar(-INFINITY, cast<ShapedType>(scores.getType()).getElementType()));
  return node.makeAll<nn::TopKOp>(2, ranked, node.dimsAttr(count), node.i64(2), node.unit(false))[1];
}

static void nonMaxSuppression(Node &node) {
  Type real = node.builder.getF32Type(), index = node.builder.getI64Type();
  if (node.rank(0) != 3 || node.rank(1) != 3 || node.element(0) != real || node.element(1) != real)
    return node.invalid("boxes and scores of rank 3 and type f32 were expected");
  Value limit = numberFrom(node, 2, 0, index), iou = numberFrom(node, 3, 0, real), score = numberFrom(node, 4, -INFINITY, real);
  Value order = candidatesByScore(node, node.in(1), score);
  if (node.failed())
    return;
  Value keep =
      node.makeAll<nn::SuppressOp>(2, node.in(0), node.in(1), order, limit, iou, score, node.unit(node.integer("center_point_box", 0) != 0)).front();
  if (node.failed())
    return;
  Value kept = node.transpose(coordinatesOf(node, keep), {1, 0}); // [count, (image, class, place in the order)]
  if (node.failed())
    return;
  Dim count = nn::dimsOf(kept.getType())[0];
  Value box = node.reshape(node.make<nn::GatherNDOp>(order, kept, node.i64(0)), {count, node.dim(1)});
  Value imageAndClass = node.slice(kept, 1, node.dim(0), node.dim(2));
  if (!node.failed())
    node.result(node.make<nn::ConcatOp>(SmallVector<Value>{imageAndClass, box}, node.i64(1)));
}

void registerSelection(OperatorTable &table) {
  table.add("NonZero", 9, 1, 1, nonZero);
  table.add("Compress", 9, 2, 2, compress);
  table.add("Unique", 11, 1, 1, unique);
  table.add("NonMaxSuppression", 10, 2, 5, nonMaxSuppression);
}

} // namespace tenon::importer
