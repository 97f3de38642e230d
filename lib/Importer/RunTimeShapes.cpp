#include "lib/Importer/RunTimeShapes.h"
#include "lib/Importer/SizeMath.h"

namespace tenon::importer {
using namespace mlir;
using nn::Dim;

/// The number of entries of input i, which must be fixed: it is a rank, or a number of axes.
static std::optional<int64_t> entriesOf(Node &node, size_t i) {
  if (node.rank(i) > 1) {
    node.invalid("input " + Twine(i) + " has rank " + Twine(node.rank(i)) + "; 1 was expected");
    return std::nullopt;
  }
  std::optional<int64_t> count = nn::numElements(node.in(i).getType()).asConstant();
  if (!count)
    node.unsupported("input " + Twine(i) + " has as many entries as only the run knows: the rank would depend on it");
  return count;
}

static SmallVector<Dim> ones(Node &node, size_t count) {
  return SmallVector<Dim>(count, node.dim(1));
}

static void reshapeTo(Node &node, Value value, ArrayRef<Dim> dims) {
  if (node.failed())
    return;
  node.require(nn::product(node.context, dims), nn::numElements(value.getType()), "the elements of the shape");
  node.result(node.reshape(value, dims));
}

void reshapeAsComputed(Node &node) {
  std::optional<int64_t> rank = entriesOf(node, 1);
  if (!rank)
    return;
  SizeMath math(node);
  SmallVector<Dim> input = node.dims(0), copied = input;
  copied.resize(*rank, node.dim(1));
  bool allowZero = node.integer("allowzero", 0) != 0;
  Value wanted = math.flat(node.in(1));
  if (!allowZero)
    wanted = math.choose(math.isEqual(wanted, math.number(0)), math.vector(copied), wanted);
  Value isRest = math.isEqual(wanted, math.number(-1));
  Value known = math.product(math.choose(isRest, math.number(1), wanted));
  Value rest = math.div(math.vector(ArrayRef<Dim>{nn::product(node.context, input)}), math.max(known, math.number(1)));
  SmallVector<Dim> dims = node.readSizes(math.choose(isRest, rest, wanted));
  for (auto [dim, part] : llvm::zip(dims, node.knownParts(node.in(1)))) // sizes that are known stay the expressions they are
    if (part && !part->isConstant(0) && !part->isConstant(-1))
      dim = *part;
  reshapeTo(node, node.in(0), dims);
}

void expandAsComputed(Node &node) {
  std::optional<int64_t> count = entriesOf(node, 1);
  if (!count)
    return;
  SizeMath math(node);
  SmallVector<Dim> input = node.dims(0);
  size_t rank = std::max<size_t>(*count, input.size());
  SmallVector<Dim> padded = ones(node, rank - input.size());
  llvm::append_range(padded, input);
  SmallVector<Value> parts;
  if (rank > size_t(*count))
    parts.push_back(math.vector(SmallVector<int64_t>(rank - *count, 1)));
  parts.push_back(math.flat(node.in(1)));
  Value wanted = node.failed() ? Value() : math.concat(parts);
  SmallVector<Dim> dims = node.readSizes(math.choose(math.isEqual(wanted, math.number(1)), math.vector(padded), wanted));
  if (node.failed())
    return;
  for (auto [from, to] : llvm::zip_equal(padded, dims))
    if (!from.isConstant(1)) // 1 on one side, or the same on both
      node.require((from - 1) * (to - from), node.dim(0), "the sizes do not broadcast to the shape");
  node.result(node.make<nn::ExpandOp>(node.in(0), node.dimsAttr(dims)));
}

namespace {
/// Slice's numbers, one entry an axis that it touches.
struct SliceNumbers {
  Value starts, ends, steps, extents;
};
} // namespace

/// Start and size after ONNX's clamping; starts are positions, sizes at least 0.
static std::pair<Value, Value> clampSlice(SizeMath &math, const SliceNumbers &slice) {
  Value zero = math.number(0), one = math.number(1);
  Value isBackward = math.isLess(slice.steps, zero);
  Value last = math.choose(isBackward, math.sub(slice.extents, one), slice.extents);
  Value lowestEnd = math.choose(isBackward, math.number(-1), zero);
  Value start = math.max(math.min(math.fromFront(slice.starts, slice.extents), last), zero);
  Value end = math.max(math.min(math.fromFront(slice.ends, slice.extents), last), lowestEnd);
  // Rounded up: of two numbers of one sign, division rounds down.
  Value sign = math.choose(isBackward, math.number(-1), one);
  Value size = math.div(math.sub(math.add(math.sub(end, start), slice.steps), sign), slice.steps);
  return {start, math.max(math.min(size, slice.extents), zero)};
}

void sliceAsComputed(Node &node) {
  std::optional<int64_t> count = entriesOf(node, 1);
  if (!count)
    return;
  for (size_t i = 2; i < node.inputCount(); ++i)
    if (node.in(i) && !nn::numElements(node.in(i).getType()).isConstant(*count))
      return node.invalid("starts, ends, axes and steps differ in length");
  SizeMath math(node);
  SmallVector<Dim> dims = node.dims(0);
  int64_t rank = node.rank(0);
  std::optional<SmallVector<int64_t>> axes, steps = SmallVector<int64_t>(*count, 1);
  if (!node.in(3))
    axes = llvm::to_vector(llvm::seq<int64_t>(0, *count));
  else if (node.isKnown(3))
    axes = node.knownIntegers(3);
  if (node.in(4))
    steps = node.isKnown(4) ? node.knownIntegers(4) : std::nullopt;
  if (axes)
    axes = node.axesOf(*axes, rank);
  if (node.failed())
    return;
  Value stepValues = node.in(4) ? math.flat(node.in(4)) : math.vector(*steps);
  SliceNumbers numbers{math.flat(node.in(1)), math.flat(node.in(2)), stepValues, {}};
  if (axes) {
    numbers.extents = math.vector(llvm::map_to_vector(*axes, [&](int64_t axis) { return dims[axis]; }));
  } else {
    // Which axes is a value too: all of them are sliced, most as a whole.
    Value where = math.fromFront(math.flat(node.in(3)), math.number(rank));
    numbers.extents = math.vector(dims);
    numbers.starts = math.spread(numbers.starts, where, math.vector(SmallVector<int64_t>(rank, 0)));
    numbers.ends = math.spread(numbers.ends, where, math.vector(SmallVector<int64_t>(rank, INT64_MAX)));
    numbers.steps = math.spread(numbers.steps, where, math.vector(SmallVector<int64_t>(rank, 1)));
    axes = llvm::to_vector(llvm::seq<int64_t>(0, rank));
    steps = std::nullopt;
  }
  if (node.failed())
    return;
  auto [start, size] = clampSlice(math, numbers);
  SmallVector<Dim> sizes = node.readSizes(size);
  if (node.failed())
    return;
  if (steps && llvm::all_of(*steps, [](int64_t step) { return step != 0; })) {
    SmallVector<Dim> starts = node.readSizes(start, "start"), from(rank, node.dim(0)), to = dims;
    SmallVector<int64_t> strides(rank, 1);
    for (auto [i, axis] : llvm::enumerate(*axes)) {
      from[axis] = starts[i];
      to[axis] = sizes[i];
      strides[axis] = (*steps)[i];
    }
    return node.result(node.make<nn::SliceOp>(node.in(0), node.dimsAttr(from), node.dimsAttr(to), node.i64s(strides)));
  }
  Value result = node.in(0);
  for (auto [i, axis] : llvm::enumerate(*axes)) {
    Value indices = node.make<nn::RangeOp>(math.entry(start, i), math.entry(numbers.steps, i), node.dimsAttr({sizes[i]}));
    result = node.make<nn::GatherOp>(result, indices, node.i64(axis));
  }
  node.result(result);
}

void squeezeComputedAxes(Node &node) {
  std::optional<int64_t> count = entriesOf(node, 1);
  if (!count)
    return;
  SizeMath math(node);
  int64_t rank = node.rank(0);
  if (*count > rank)
    return node.invalid("it squeezes " + Twine(*count) + " axes of an input of rank " + Twine(rank));
  Value kept = math.keep(math.vector(node.dims(0)), math.isListed(math.flat(node.in(1)), rank), rank - *count);
  reshapeTo(node, node.in(0), node.readSizes(kept));
}

void unsqueezeComputedAxes(Node &node) {
  std::optional<int64_t> count = entriesOf(node, 1);
  if (!count)
    return;
  SizeMath math(node);
  int64_t rank = node.rank(0) + *count;
  Value isNew = math.isListed(math.flat(node.in(1)), rank), one = math.number(1);
  Value before = node.make<nn::CumSumOp>(math.choose(isNew, math.number(0), one), node.i64(0), node.unit(true), UnitAttr());
  SmallVector<Dim> input = node.dims(0);
  input.push_back(node.dim(1)); // read, and not used, where the new axes come last
  Value sizes = node.make<nn::GatherOp>(math.vector(input), before, node.i64(0));
  reshapeTo(node, node.in(0), node.readSizes(math.choose(isNew, one, sizes)));
}

/// Every axis becomes a pair of axes, of which one has size 1: (1, size) where it is reduced and (size, 1) where it is not. Which one is a value,
/// that the second of each pair is reduced is not.
void reduceComputedAxes(Node &node, nn::ReduceKind kind) {
  std::optional<int64_t> count = entriesOf(node, 1);
  if (!count)
    return;
  SizeMath math(node);
  int64_t rank = node.rank(0);
  Value dims = math.vector(node.dims(0)), one = math.number(1), isReduced = math.isListed(math.flat(node.in(1)), rank);
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
  if (node.integer("keepdims", 1) != 0)
    return node.result(result);
  reshapeTo(node, result, node.readSizes(math.keep(dims, isReduced, rank - *count), "kept"));
}

/// The axes before and behind the one that is summed along become one each.
void cumulativeComputedAxis(Node &node, bool product) {
  if (!nn::numElements(node.in(1).getType()).isConstant(1))
    return node.invalid("the axis must be one number");
  SizeMath math(node);
  int64_t rank = node.rank(0);
  Value axis = math.fromFront(math.flat(node.in(1)), math.number(rank)), positions = math.positions(rank), dims = math.vector(node.dims(0));
  auto productWhere = [&](Value condition) { return math.product(math.choose(condition, dims, math.number(1))); };
  Value sizes[] = {productWhere(math.isLess(positions, axis)), productWhere(math.isEqual(positions, axis)),
                   productWhere(math.isLess(axis, positions))};
  SmallVector<Dim> split = node.readSizes(node.failed() ? Value() : math.concat(sizes));
  if (node.failed())
    return;
  node.require(nn::product(node.context, split), nn::numElements(node.in(0).getType()), "the elements of the input");
  bool exclusive = node.integer("exclusive", 0) != 0, reverse = node.integer("reverse", 0) != 0;
  Value sums = node.make<nn::CumSumOp>(node.reshape(node.in(0), split), node.i64(1), node.unit(exclusive), node.unit(reverse), node.unit(product));
  node.result(node.failed() ? Value() : node.reshape(sums, node.dims(0)));
}

std::optional<SmallVector<Dim>> computedPads(Node &node) {
  std::optional<int64_t> count = entriesOf(node, 1);
  if (!count)
    return std::nullopt;
  SizeMath math(node);
  int64_t rank = node.rank(0), axes = *count / 2;
  Value pads = math.flat(node.in(1)), zeros = math.vector(SmallVector<int64_t>(rank, 0));
  if (*count % 2 != 0 || (!node.in(3) && axes != rank)) {
    node.invalid("pads must have two entries for each axis");
    return std::nullopt;
  }
  if (node.in(3)) {
    Value where = math.fromFront(math.flat(node.in(3)), math.number(rank));
    auto half = [&](int64_t from) { return node.slice(pads, 0, node.dim(from), node.dim(axes)); };
    Value parts[] = {math.spread(half(0), where, zeros), math.spread(half(axes), where, zeros)};
    pads = node.failed() ? Value() : math.concat(parts);
  }
  if (node.failed())
    return std::nullopt;
  Value low = node.slice(pads, 0, node.dim(0), node.dim(rank)), high = node.slice(pads, 0, node.dim(rank), node.dim(rank));
  SmallVector<Dim> out = padsTo(node, low, math.add(math.vector(node.dims(0)), math.add(low, high)));
  return node.failed() ? std::nullopt : std::optional(out);
}

SmallVector<Dim> padsTo(Node &node, Value low, Value result) {
  SizeMath math(node);
  // Symbols are not negative: what is cropped is another one. The result's sizes are symbols of their own, since a product of sums would have many
  // terms.
  SmallVector<Dim> added = node.readSizes(math.max(low, math.number(0)), "added");
  SmallVector<Dim> cropped = node.readSizes(math.max(math.sub(math.number(0), low), math.number(0)), "cropped");
  SmallVector<Dim> sizes = node.readSizes(result);
  SmallVector<Dim> pads, high;
  if (node.failed())
    return pads;
  for (auto [axis, size] : llvm::enumerate(node.dims(0))) {
    Dim below = added[axis] - cropped[axis];
    pads.push_back(below);
    high.push_back(sizes[axis] - size - below);
  }
  llvm::append_range(pads, high);
  return pads;
}

} // namespace tenon::importer
