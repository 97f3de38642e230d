// Shapes: reading them, and giving the same elements another one.
#include "lib/Importer/Operators.h"
#include "lib/Importer/RunTimeShapes.h"

namespace tenon::importer {
using namespace mlir;
using nn::Dim;

static void shape(Node &node) {
  int64_t rank = node.rank(0), start = node.integer("start", 0), end = node.integer("end", rank);
  auto clamp = [&](int64_t axis) { return std::clamp<int64_t>(axis < 0 ? axis + rank : axis, 0, rank); };
  int64_t first = clamp(start), last = std::max(clamp(end), first);
  node.result(node.make<nn::ShapeOp>(node.in(0), node.i64(first), node.i64(last)));
}

static void size(Node &node) {
  node.result(node.constant({nn::numElements(node.in(0).getType())}, RankedTensorType::get({}, node.builder.getI64Type())));
}

/// 0 copies the input's size (unless allowzero), -1 takes what is left.
static void reshape(Node &node) {
  if (!node.isKnown(1))
    return reshapeAsComputed(node);
  std::optional<SmallVector<Dim>> dims = node.knownDims(1);
  if (!dims)
    return;
  if (node.rank(1) != 1)
    return node.invalid("the shape has rank " + Twine(node.rank(1)) + "; 1 was expected");
  SmallVector<Dim> input = node.dims(0);
  bool allowZero = node.integer("allowzero", 0) != 0;
  Dim known = node.dim(1);
  std::optional<size_t> inferred;
  for (auto [i, dim] : llvm::enumerate(*dims)) {
    if (dim.isConstant(0) && !allowZero) {
      if (i >= input.size())
        return node.invalid("the shape copies axis " + Twine(i) + " of an input of rank " + Twine(input.size()));
      dim = input[i];
    }
    if (dim.isConstant(-1) && inferred)
      return node.invalid("the shape has two entries of -1");
    if (dim.isConstant(-1))
      inferred = i;
    else if (dim.isConstant() && *dim.asConstant() < 0)
      return node.invalid("the shape has the entry " + Twine(*dim.asConstant()));
    else
      known = known * dim;
  }
  if (inferred) {
    // Sizes that both sides have cancel before the division: what is left may well be exact.
    Dim all = nn::product(node.context, input);
    if (known.isConstant(0))
      return node.invalid("the shape has both 0 and -1: the size cannot be inferred");
    std::optional<Dim> exact = all.dividedExactlyBy(known);
    if (!exact && all.isConstant() && known.isConstant())
      return node.invalid(all.str() + " elements cannot be divided into " + known.str());
    (*dims)[*inferred] = exact ? *exact : all.floorDiv(known);
  }
  node.result(node.reshape(node.in(0), *dims));
}

static void flatten(Node &node) {
  int64_t rank = node.rank(0), axis = node.integer("axis", 1);
  if (axis < -rank || axis > rank)
    return node.invalid("axis " + Twine(axis) + " is outside a tensor of rank " + Twine(rank));
  axis = axis < 0 ? axis + rank : axis;
  SmallVector<Dim> dims = node.dims(0);
  node.result(node.reshape(node.in(0), {nn::product(node.context, ArrayRef(dims).take_front(axis)),
                                        nn::product(node.context, ArrayRef(dims).drop_front(axis))}));
}

static void squeeze(Node &node) {
  if (node.in(1) && !node.isKnown(1))
    return squeezeComputedAxes(node);
  std::optional<SmallVector<int64_t>> given = node.integersFrom("axes", 1);
  if (node.failed())
    return;
  SmallVector<Dim> dims = node.dims(0), kept;
  SmallVector<int64_t> axes = node.axesOf(given.value_or(SmallVector<int64_t>()), node.rank(0));
  for (auto [axis, dim] : llvm::enumerate(dims)) {
    bool goes = given ? llvm::is_contained(axes, int64_t(axis)) : dim.isConstant(1);
    if (goes && dim.isConstant() && !dim.isConstant(1))
      return node.invalid("axis " + Twine(axis) + " has the size " + dim.str() + "; 1 was expected");
    if (!goes)
      kept.push_back(dim);
  }
  node.result(node.reshape(node.in(0), kept));
}

static void unsqueeze(Node &node) {
  if (node.in(1) && !node.isKnown(1))
    return unsqueezeComputedAxes(node);
  std::optional<SmallVector<int64_t>> given = node.integersFrom("axes", 1);
  if (node.failed())
    return;
  if (!given)
    return node.invalid("axes are missing");
  SmallVector<Dim> dims = node.dims(0), out;
  int64_t rank = node.rank(0) + int64_t(given->size());
  SmallVector<int64_t> axes = node.axesOf(*given, rank);
  if (node.failed())
    return;
  auto next = dims.begin();
  for (int64_t axis = 0; axis < rank; ++axis)
    out.push_back(llvm::is_contained(axes, axis) ? node.dim(1) : *next++);
  node.result(node.reshape(node.in(0), out));
}

static void transpose(Node &node) {
  SmallVector<int64_t> reversed = llvm::to_vector(llvm::reverse(llvm::seq<int64_t>(0, node.rank(0))));
  SmallVector<int64_t> permutation = node.integers("perm").value_or(reversed), sorted = permutation;
  llvm::sort(sorted);
  if (sorted != llvm::to_vector(llvm::seq<int64_t>(0, node.rank(0))))
    return node.invalid("perm is no permutation of " + Twine(node.rank(0)) + " axes");
  node.result(node.transpose(node.in(0), permutation));
}

/// Broadcasts both ways: a size of 1 in the wanted shape keeps the input's.
static void expand(Node &node) {
  if (!node.isKnown(1))
    return expandAsComputed(node);
  std::optional<SmallVector<Dim>> wanted = node.knownDims(1);
  if (!wanted)
    return;
  SmallVector<Dim> input = node.dims(0), dims(std::max(input.size(), wanted->size()), node.dim(1));
  llvm::copy(*wanted, dims.end() - wanted->size());
  for (size_t i = 0; i < input.size(); ++i) {
    Dim &dim = dims[dims.size() - input.size() + i];
    if (dim == input[i] || input[i].isConstant(1))
      continue;
    bool differ = dim.isConstant() && input[i].isConstant() && !dim.isConstant(1);
    if (differ)
      return node.invalid("an axis of size " + input[i].str() + " does not broadcast to " + dim.str());
    // A free size that is not the same expression must be 1 on one side.
    dim = dim.isConstant(1) || (input[i].isConstant() && !dim.isConstant()) ? input[i] : dim.isConstant() ? dim : dim.max(input[i]);
  }
  node.result(dims == input ? node.in(0) : node.make<nn::ExpandOp>(node.in(0), node.dimsAttr(dims)));
}

static void tile(Node &node) {
  node.takeLength(1, node.rank(0));
  std::optional<SmallVector<Dim>> repeats = node.sizes(1);
  if (!repeats)
    return;
  if (repeats->size() != size_t(node.rank(0)))
    return node.invalid("there are " + Twine(repeats->size()) + " repeats for an input of rank " + Twine(node.rank(0)));
  for (Dim repeat : *repeats)
    if (repeat.isConstant() && *repeat.asConstant() < 0)
      return node.invalid("a repeat is " + repeat.str());
  node.result(node.make<nn::TileOp>(node.in(0), node.dimsAttr(*repeats)));
}

static void concat(Node &node) {
  SmallVector<Value> values;
  for (size_t i = 0; i < node.inputCount(); ++i) {
    if (!node.in(i) || node.element(i) != node.element(0) || node.rank(i) != node.rank(0))
      return node.invalid("the inputs must have one element type and one rank");
    values.push_back(node.in(i));
  }
  if (!node.attribute("axis"))
    return node.invalid("axis is missing");
  int64_t axis = node.axisOf(node.integer("axis", 0), node.rank(0));
  node.result(values.size() == 1 ? values.front() : node.make<nn::ConcatOp>(values, node.i64(axis)));
}

void registerShapes(OperatorTable &table) {
  table.add("Shape", 1, 1, 1, shape);
  table.add("Size", 1, 1, 1, size);
  table.add("Reshape", 5, 2, 2, reshape);
  table.add("Flatten", 1, 1, 1, flatten);
  table.add("Squeeze", 1, 1, 2, squeeze);
  table.add("Unsqueeze", 1, 1, 2, unsqueeze);
  table.add("Transpose", 1, 1, 1, transpose);
  table.add("Expand", 8, 2, 2, expand);
  table.add("Tile", 6, 2, 2, tile);
  table.add("Concat", 4, 1, kAnyNumber, concat);
}

} // namespace tenon::importer
