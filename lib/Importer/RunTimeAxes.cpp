// Operators whose axes are values that only the run knows.
#include "lib/Importer/RunTimeShapes.h"
#include "lib/Importer/SizeMath.h"

namespace tenon::importer {
using namespace mlir;
using nn::Dim;

static std::optional<int64_t> difference(std::optional<int64_t> a, std::optional<int64_t> b) {
  return a && b ? std::optional(*a - *b) : std::nullopt;
}

void squeezeComputedAxes(Node &node) {
  int64_t rank = node.rank(0);
  std::optional<int64_t> count = entriesOf(node, 1, difference(rank, node.declaredRank()));
  if (!count)
    return;
  SizeMath math(node);
  if (*count > rank)
    return node.invalid("it squeezes " + Twine(*count) + " axes of an input of rank " + Twine(rank));
  Value kept = math.keep(math.vector(node.dims(0)), math.isListed(1, rank), rank - *count);
  reshapeTo(node, node.in(0), node.readSizes(kept));
}

void unsqueezeComputedAxes(Node &node) {
  std::optional<int64_t> count = entriesOf(node, 1, difference(node.declaredRank(), node.rank(0)));
  if (!count)
    return;
  SizeMath math(node);
  int64_t rank = node.rank(0) + *count;
  Value isNew = math.isListed(1, rank), one = math.number(1);
  Value before = node.make<nn::CumSumOp>(math.choose(isNew, math.number(0), one), node.i64(0), node.unit(true), UnitAttr());
  SmallVector<Dim> input = node.dims(0);
  input.push_back(node.dim(1)); // read, and not used, where the new axes come last
  Value sizes = node.make<nn::GatherOp>(math.vector(input), before, node.i64(0));
  reshapeTo(node, node.in(0), node.readSizes(math.choose(isNew, one, sizes)));
}

/// For every axis whether it is reduced. That may be none or all of them where the list is empty.
static Value isReducedAxis(Node &node, bool keepsAll) {
  SizeMath math(node);
  Value isListed = math.isListed(1, node.rank(0));
  Dim count = nn::numElements(node.in(1).getType());
  if (keepsAll || count.isConstant())
    return isListed;
  return math.either(isListed, math.isEqual(math.vector(ArrayRef<Dim>{count}), math.number(0)));
}

/// Every axis becomes a pair of axes, of which one has size 1: (1, size) where it is reduced and (size, 1) where it is not. Which one is a value,
/// that the second of each pair is reduced is not.
void reduceComputedAxes(Node &node, nn::ReduceKind kind, bool keepsAll) {
  if (!isVector(node, 1))
    return;
  SizeMath math(node);
  int64_t rank = node.rank(0);
  bool keepsAxes = node.integer("keepdims", 1) != 0;
  std::optional<int64_t> count = nn::numElements(node.in(1).getType()).asConstant();
  std::optional<int64_t> resultRank = count ? difference(rank, count) : node.declaredRank();
  if (!keepsAxes && !resultRank)
    return (void)entriesOf(node, 1);
  Value dims = math.vector(node.dims(0)), one = math.number(1), isReduced = isReducedAxis(node, keepsAll);
  SmallVector<Dim> kept = node.readSizes(math.choose(isReduced, one, dims)), reduced = node.readSizes(math.choose(isReduced, dims, one), "reduced");
  if (node.failed())
    return;
  SmallVector<Dim> pairs;
  SmallVector<int64_t> axes;
  for (auto [outer, inner] : llvm::zip_equal(kept, reduced)) {
    pairs.push_back(outer);
    axes.push_back(pairs.size());
    pairs.push_back(inner);
  }
  node.require(nn::product(node.context, pairs), nn::numElements(node.in(0).getType()), "the elements of the input");
  Value result = node.make<nn::ReduceOp>(node.reshape(node.in(0), pairs), nn::ReduceKindAttr::get(node.context, kind), node.i64s(axes), UnitAttr());
  if (keepsAxes)
    return node.result(result);
  if (*resultRank < 0 || *resultRank > rank)
    return node.invalid("a result of rank " + Twine(*resultRank) + " for an input of rank " + Twine(rank));
  SmallVector<Dim> keptCount = node.readSizes(math.sum(math.choose(isReduced, math.number(0), one)), "rank");
  if (node.failed())
    return;
  node.require(keptCount.front(), node.dim(*resultRank), "the axes that are left");
  reshapeTo(node, result, node.readSizes(math.keep(dims, isReduced, *resultRank), "kept"));
}

SmallVector<Dim> splitAtAxis(Node &node, size_t i, ArrayRef<Dim> dims, int64_t rank) {
  node.takeOne(i);
  if (!nn::numElements(node.in(i).getType()).isConstant(1)) {
    node.invalid("the axis must be one number");
    return {};
  }
  SizeMath math(node);
  Value axis = math.fromFront(math.flat(node.in(i)), math.number(rank)), positions = math.positions(dims.size()), sizes = math.vector(dims);
  math.isListed(i, rank); // the run checks it
  if (int64_t(dims.size()) < rank) {
    SmallVector<Dim> at = node.readSizes(axis, "axis");
    if (node.failed())
      return {};
    node.requireAtMost(at.front(), node.dim(int64_t(dims.size()) - 1), "the axis, input " + Twine(i) + ", '" + node.proto.input(int(i)) + "'");
  }
  auto productWhere = [&](Value condition) { return math.product(math.choose(condition, sizes, math.number(1))); };
  Value products[] = {productWhere(math.isLess(positions, axis)), productWhere(math.isEqual(positions, axis)),
                      productWhere(math.isLess(axis, positions))};
  SmallVector<Dim> split = node.readSizes(node.failed() ? Value() : math.concat(products));
  if (!node.failed())
    node.require(nn::product(node.context, split), nn::product(node.context, dims), "the elements of the input");
  return split;
}

/// The axes before and behind the one that is summed along become one each.
void cumulativeComputedAxis(Node &node, bool product) {
  SmallVector<Dim> split = splitAtAxis(node, 1, node.dims(0), node.rank(0));
  if (node.failed())
    return;
  bool exclusive = node.integer("exclusive", 0) != 0, reverse = node.integer("reverse", 0) != 0;
  Value sums = node.make<nn::CumSumOp>(node.reshape(node.in(0), split), node.i64(1), node.unit(exclusive), node.unit(reverse), node.unit(product));
  node.result(node.failed() ? Value() : node.reshape(sums, node.dims(0)));
}

} // namespace tenon::importer
