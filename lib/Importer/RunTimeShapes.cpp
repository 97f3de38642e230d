#include "lib/Importer/RunTimeShapes.h"
#include "lib/Importer/SizeMath.h"

namespace tenon::importer {
using namespace mlir;
using nn::Dim;

bool isVector(Node &node, size_t i) {
  if (node.rank(i) > 1)
    node.invalid("input " + Twine(i) + " has rank " + Twine(node.rank(i)) + "; 1 was expected");
  return !node.failed();
}

std::optional<int64_t> entriesOf(Node &node, size_t i, std::optional<int64_t> implied) {
  if (!isVector(node, i))
    return std::nullopt;
  if (implied)
    node.takeLength(i, *implied);
  std::optional<int64_t> count = nn::numElements(node.in(i).getType()).asConstant();
  if (!count)
    node.unsupported("input " + Twine(i) + " has as many entries as only the run knows, and the model does not declare the rank of the result");
  return count;
}

static SmallVector<Dim> ones(Node &node, size_t count) {
  return SmallVector<Dim>(count, node.dim(1));
}

void reshapeTo(Node &node, Value value, ArrayRef<Dim> dims) {
  if (node.failed())
    return;
  node.require(nn::product(node.context, dims), nn::numElements(value.getType()), "the elements of the shape");
  node.result(node.reshape(value, dims));
}

void reshapeAsComputed(Node &node) {
  std::optional<int64_t> rank = entriesOf(node, 1, node.declaredRank());
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
  // Two entries of -1 stay -1, which is no size.
  Value isOnly = math.isLess(math.sum(math.choose(isRest, math.number(1), math.number(0))), math.number(2));
  SmallVector<Dim> dims = node.readSizes(math.choose(isRest, math.choose(isOnly, rest, math.number(-1)), wanted));
  for (auto [dim, part] : llvm::zip(dims, node.knownParts(node.in(1)))) // sizes that are known stay the expressions they are
    if (part && !part->isConstant(0) && !part->isConstant(-1))
      dim = *part;
  reshapeTo(node, node.in(0), dims);
}

/// The sizes that Expand's input 1 holds, as a vector of `rank` entries: ones are put before those that it has.
static Value alignedSizes(Node &node, int64_t rank) {
  SizeMath math(node);
  Value sizes = math.flat(node.in(1));
  if (node.failed())
    return {};
  Dim missing = node.dim(rank) - nn::dimsOf(sizes.getType())[0];
  if (missing.isConstant(0))
    return sizes;
  node.requireAtMost(node.dim(rank) - missing, node.dim(rank), "the length of the shape");
  return node.make<nn::PadOp>(sizes, node.scalar(1, node.builder.getI64Type()), node.dimsAttr({missing}), node.dimsAttr({node.dim(0)}),
                              nn::PadModeAttr::get(node.context, nn::PadMode::Constant));
}

void expandAsComputed(Node &node) {
  SizeMath math(node);
  SmallVector<Dim> input = node.dims(0);
  int64_t own = node.rank(0);
  std::optional<int64_t> rank = node.declaredRank();
  if (nn::numElements(node.in(1).getType()).isConstant() || (rank && *rank > own))
    rank = entriesOf(node, 1, rank);
  else if (!rank)
    return (void)entriesOf(node, 1);
  if (!rank || !isVector(node, 1))
    return;
  rank = std::max(*rank, own);
  SmallVector<Dim> padded = ones(node, *rank - own);
  llvm::append_range(padded, input);
  Value wanted = alignedSizes(node, *rank);
  SmallVector<Dim> dims = node.readSizes(math.choose(math.isEqual(wanted, math.number(1)), math.vector(padded), wanted));
  if (node.failed())
    return;
  SmallVector<std::optional<Dim>> parts = node.knownParts(node.in(1));
  for (size_t i = 0; i < parts.size(); ++i) { // sizes that are known stay the expressions they are
    size_t axis = dims.size() - parts.size() + i;
    if (parts[i] && (padded[axis].isConstant(1) || (parts[i]->isConstant() && !parts[i]->isConstant(1))))
      dims[axis] = *parts[i];
    else if (parts[i] && parts[i]->isConstant(1))
      dims[axis] = padded[axis];
  }
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

/// Whether starts, ends, axes and steps are as long as each other, as far as the types tell; the run checks the rest.
static bool haveOneLength(Node &node) {
  for (size_t i = 1; i < node.inputCount(); ++i)
    if (node.in(i) && !isVector(node, i))
      return false;
  Dim count = nn::numElements(node.in(1).getType());
  for (size_t i = 2; i < node.inputCount(); ++i) {
    if (!node.in(i))
      continue;
    Dim other = nn::numElements(node.in(i).getType());
    if (other.isConstant() && count.isConstant() && other != count)
      node.invalid("starts, ends, axes and steps differ in length");
    node.require(other, count, "the length of input " + Twine(i));
  }
  return !node.failed();
}

void sliceAsComputed(Node &node) {
  for (size_t i = 1; i < node.inputCount(); ++i) // a length that one of them has is that of all
    if (std::optional<int64_t> known = node.in(i) ? nn::numElements(node.in(i).getType()).asConstant() : std::nullopt)
      for (size_t other = 1; other < node.inputCount(); ++other)
        node.takeLength(other, *known);
  if (!haveOneLength(node))
    return;
  SizeMath math(node);
  SmallVector<Dim> dims = node.dims(0);
  int64_t rank = node.rank(0);
  Dim count = nn::numElements(node.in(1).getType());
  bool isCounted = count.isConstant();
  // Axes and steps that are known; the steps are where they are left out.
  std::optional<SmallVector<int64_t>> axes, steps;
  if (isCounted && !node.in(3))
    axes = llvm::to_vector(llvm::seq<int64_t>(0, *count.asConstant()));
  else if (isCounted && node.isKnown(3))
    axes = node.knownIntegers(3);
  if (!node.in(4))
    steps = SmallVector<int64_t>(axes ? axes->size() : rank, 1);
  else if (axes && node.isKnown(4))
    steps = node.knownIntegers(4);
  if (axes)
    axes = node.axesOf(*axes, rank);
  if (node.failed())
    return;
  Value ones = node.make<nn::ExpandOp>(node.scalar(1, node.builder.getI64Type()), node.dimsAttr({count}));
  SliceNumbers numbers{math.flat(node.in(1)), math.flat(node.in(2)), node.in(4) ? math.flat(node.in(4)) : ones, {}};
  if (axes) {
    numbers.extents = math.vector(llvm::map_to_vector(*axes, [&](int64_t axis) { return dims[axis]; }));
  } else {
    // Which axes is a value too: all of them are sliced, most as a whole.
    Value listed = node.in(3) ? math.flat(node.in(3)) : math.positions(count), where = math.fromFront(listed, math.number(rank));
    if (node.in(3))
      math.isListed(3, rank); // the run checks them
    else
      node.requireAtMost(count, node.dim(rank), "how many axes are sliced");
    numbers.extents = math.vector(dims);
    numbers.starts = math.spread(numbers.starts, where, math.vector(SmallVector<int64_t>(rank, 0)));
    numbers.ends = math.spread(numbers.ends, where, math.vector(SmallVector<int64_t>(rank, INT64_MAX)));
    numbers.steps = math.spread(numbers.steps, where, math.vector(SmallVector<int64_t>(rank, 1)));
    axes = llvm::to_vector(llvm::seq<int64_t>(0, rank));
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

std::optional<SmallVector<Dim>> computedPads(Node &node) {
  int64_t rank = node.rank(0);
  if (!isVector(node, 1) || (node.in(3) && !isVector(node, 3)))
    return std::nullopt;
  Dim axes = node.in(3) ? nn::numElements(node.in(3).getType()) : node.dim(rank);
  if (axes.isConstant())
    node.takeLength(1, 2 * *axes.asConstant());
  Dim count = nn::numElements(node.in(1).getType());
  if (count.isConstant() && node.in(3) && *count.asConstant() % 2 == 0) {
    node.takeLength(3, *count.asConstant() / 2);
    axes = nn::numElements(node.in(3).getType());
  }
  if (count.isConstant() && axes.isConstant() && count != axes * 2) {
    node.invalid("pads must have two entries for each axis");
    return std::nullopt;
  }
  node.require(count, axes * 2, "the number of pads");
  SizeMath math(node);
  Value pads = math.flat(node.in(1)), zeros = math.vector(SmallVector<int64_t>(rank, 0));
  if (node.in(3)) {
    math.isListed(3, rank); // the run checks them
    Value where = math.fromFront(math.flat(node.in(3)), math.number(rank));
    auto half = [&](Dim from) { return node.slice(pads, 0, from, axes); };
    Value parts[] = {math.spread(half(node.dim(0)), where, zeros), math.spread(half(axes), where, zeros)};
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
