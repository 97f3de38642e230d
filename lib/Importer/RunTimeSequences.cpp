#include "lib/Importer/RunTimeSequences.h"
#include "lib/Importer/Formula.h"
#include "lib/Importer/Parts.h"
#include "lib/Importer/Strings.h"

namespace tenon::importer {
using namespace mlir;
using nn::Dim;
using nn::ReduceKind;

constexpr int64_t kFree = ShapedType::kDynamic;

std::optional<RunTimeSequence> runTimeSequence(Value value) {
  auto cast = compoundOf(value, kSequenceType);
  if (!cast)
    return std::nullopt;
  RunTimeSequence sequence{cast.getInputs()[0], cast.getInputs()[1], std::nullopt};
  if (auto dims = cast->getAttrOfType<DenseI64ArrayAttr>("dims"))
    sequence.dims = SmallVector<int64_t>(dims.asArrayRef());
  return sequence;
}

Value sequenceValue(Node &node, const RunTimeSequence &sequence) {
  if (node.failed())
    return {};
  Value value = compound(node, kSequenceType, {sequence.data, sequence.shapes});
  if (sequence.dims)
    value.getDefiningOp()->setAttr("dims", node.i64s(*sequence.dims));
  return value;
}

std::optional<SmallVector<int64_t>> commonDims(const std::optional<SmallVector<int64_t>> &a, const std::optional<SmallVector<int64_t>> &b) {
  if (!a || !b || a->size() != b->size())
    return std::nullopt;
  SmallVector<int64_t> out(*a);
  for (auto [size, other] : llvm::zip_equal(out, *b))
    size = size == other ? size : kFree;
  return out;
}

SmallVector<int64_t> fixedDims(Value tensor) {
  return llvm::map_to_vector(nn::dimsOf(tensor.getType()), [](Dim dim) { return dim.asConstant().value_or(kFree); });
}

static Value flat(Node &node, Value value) {
  return moved(node, value, [&](Value part) { return node.reshape(part, {nn::numElements(part.getType())}); });
}

/// `rows` rows of the sizes `dims`.
static Value shapeRows(Node &node, ArrayRef<Dim> dims, Dim rows) {
  if (int64_t(dims.size()) > kShapeColumns) {
    node.unsupported("a sequence of tensors of more than " + Twine(kShapeColumns) + " axes");
    return {};
  }
  SmallVector<Dim> row(dims);
  row.resize(kShapeColumns, node.dim(-1));
  Value one = node.constant(row, RankedTensorType::get({kShapeColumns}, node.builder.getI64Type()));
  return Formula(node).expand(node.reshape(one, {node.dim(1), node.dim(kShapeColumns)}), {rows, node.dim(kShapeColumns)});
}

RunTimeSequence runTimeSequenceOf(Node &node, ArrayRef<Value> tensors, Type element) {
  if (node.failed())
    return {};
  Formula f(node);
  RunTimeSequence out;
  if (tensors.empty()) {
    out.data = element == stringType(node.context) ? stringConstant(node, {}, {0}) : f.expand(node.scalar(0, element), {node.dim(0)});
    out.shapes = shapeRows(node, {}, node.dim(0));
    return out;
  }
  SmallVector<Value> data, shapes;
  for (auto [i, tensor] : llvm::enumerate(tensors)) {
    data.push_back(flat(node, tensor));
    shapes.push_back(shapeRows(node, nn::dimsOf(tensor.getType()), node.dim(1)));
    out.dims = i == 0 ? fixedDims(tensor) : commonDims(out.dims, fixedDims(tensor));
  }
  out.data = joined(node, data, 0);
  out.shapes = joined(node, shapes, 0);
  return out;
}

//===-- Places in a sequence --------------------------------------------------------------------------------------===//

static Dim lengthOf(const RunTimeSequence &sequence) { return nn::dimsOf(sequence.shapes.getType())[0]; }
static Dim elementsOf(const RunTimeSequence &sequence) { return nn::dimsOf(sequence.data.getType())[0]; }

/// How many elements each tensor has.
static Value tensorSizes(Node &node, const RunTimeSequence &sequence) {
  Formula f(node);
  Value one = node.scalar(1, node.builder.getI64Type()), zero = node.scalar(0, node.builder.getI64Type());
  return f.reduce(ReduceKind::Prod, f.select(f.less(sequence.shapes, zero), one, sequence.shapes), {1}, false);
}

void requireConsistent(Node &node, const RunTimeSequence &sequence) {
  Formula f(node);
  SmallVector<Dim> sum = node.readSizes(f.reduce(ReduceKind::Sum, tensorSizes(node, sequence), {0}), "elements");
  if (!node.failed())
    node.require(sum[0], elementsOf(sequence), "the elements of the tensors that the rows of sizes describe");
}

/// Input i, which may count from the back, as a position in [0, end], or none after a report.
static std::optional<Dim> positionOf(Node &node, size_t i, const RunTimeSequence &sequence, Dim end) {
  if (isNumeric(node.in(i)))
    node.takeOne(i);
  if (!isNumeric(node.in(i)) || !isa<IntegerType>(node.element(i)) || !nn::numElements(node.in(i).getType()).isConstant(1)) {
    node.invalid("the position must be one integer");
    return std::nullopt;
  }
  Formula f(node);
  Value given = node.cast(node.reshape(node.in(i), {}), node.builder.getI64Type());
  if (node.failed())
    return std::nullopt;
  Value length = f.sizeValue(lengthOf(sequence)), isBehind = f.less(given, node.scalar(0, node.builder.getI64Type()));
  SmallVector<Dim> position = node.readSizes(f.select(isBehind, f.add(given, length), given), "position");
  if (node.failed())
    return std::nullopt;
  node.requireAtMost(position[0], end, "the position in the sequence");
  return position[0];
}

/// Elements of the tensors before a position: an i64 vector of one.
static Value elementsBefore(Node &node, const RunTimeSequence &sequence, Dim position) {
  Value before = node.slice(tensorSizes(node, sequence), 0, node.dim(0), position);
  return Formula(node).reduce(ReduceKind::Sum, before, {0});
}

static Value rowAt(Node &node, const RunTimeSequence &sequence, Dim position) {
  Value row = node.slice(sequence.shapes, 0, position, node.dim(1));
  return node.failed() ? Value() : node.reshape(row, {node.dim(kShapeColumns)});
}

/// The rank of the tensors: known, or declared for the node's first result.
static std::optional<SmallVector<int64_t>> dimsFor(Node &node, const RunTimeSequence &sequence) {
  if (sequence.dims)
    return sequence.dims;
  if (std::optional<int64_t> rank = node.declaredRank())
    return SmallVector<int64_t>(*rank, kFree);
  node.unsupported("a tensor of a sequence whose rank only the run knows");
  return std::nullopt;
}

/// How many axes a row has, as a vector of one.
static Value rankOf(Node &node, Value row) {
  Formula f(node);
  Value isAxis = f.atMost(node.scalar(0, node.builder.getI64Type()), row);
  return f.reduce(ReduceKind::Sum, node.cast(isAxis, node.builder.getI64Type()), {0});
}

void sequenceAt(Node &node, RunTimeSequence sequence) {
  std::optional<Dim> position = positionOf(node, 1, sequence, lengthOf(sequence) - 1);
  std::optional<SmallVector<int64_t>> dims = dimsFor(node, sequence);
  if (!position || !dims || node.failed())
    return;
  Formula f(node);
  int64_t rank = int64_t(dims->size());
  Value row = rowAt(node, sequence, *position);
  SmallVector<Value> wanted{elementsBefore(node, sequence, *position), rankOf(node, row)};
  if (rank)
    wanted.push_back(node.slice(row, 0, node.dim(0), node.dim(rank)));
  SmallVector<Dim> read = node.readSizes(f.concat(wanted, 0), "tensor");
  if (node.failed())
    return;
  node.require(read[1], node.dim(rank), "the rank of the sequence's tensor");
  SmallVector<Dim> sizes;
  for (auto [axis, size] : llvm::enumerate(*dims)) {
    sizes.push_back(size == kFree ? read[2 + axis] : node.dim(size));
    node.require(read[2 + axis], sizes.back(), "a size of the sequence's tensor");
  }
  Dim count = nn::product(node.context, sizes);
  node.requireAtMost(read[0] + count, elementsOf(sequence), "the elements of the sequence");
  node.result(moved(node, sequence.data, [&](Value part) { return node.reshape(node.slice(part, 0, read[0], count), sizes); }));
}

/// A vector without `count` entries at `start`, and with those of `inserted` there, if any.
static Value spliced(Node &node, Value vector, Dim start, Dim count, Value inserted) {
  if (node.failed())
    return {};
  Dim length = nn::dimsOf(vector.getType())[0];
  SmallVector<Value> parts;
  auto cut = [&](Dim from, Dim size) { return moved(node, vector, [&](Value part) { return node.slice(part, 0, from, size); }); };
  if (!start.isConstant(0))
    parts.push_back(cut(node.dim(0), start));
  if (inserted)
    parts.push_back(inserted);
  if (length != start + count || parts.empty())
    parts.push_back(cut(start + count, length - start - count));
  return joined(node, parts, 0);
}

void sequenceInsert(Node &node, RunTimeSequence sequence) {
  if (node.element(1) != getElementTypeOrSelf(sequence.data.getType()))
    return node.invalid("the tensor has another element type than the sequence");
  Dim length = lengthOf(sequence), start = elementsOf(sequence);
  std::optional<Dim> position = node.in(2) ? positionOf(node, 2, sequence, length) : length;
  if (!position || node.failed())
    return;
  if (*position != length) {
    SmallVector<Dim> read = node.readSizes(elementsBefore(node, sequence, *position), "elements");
    if (node.failed())
      return;
    start = read[0];
    node.requireAtMost(start, elementsOf(sequence), "the elements of the sequence");
  }
  bool isFirst = length.isConstant(0);
  sequence.dims = isFirst ? fixedDims(node.in(1)) : commonDims(sequence.dims, fixedDims(node.in(1)));
  sequence.data = spliced(node, sequence.data, start, node.dim(0), flat(node, node.in(1)));
  sequence.shapes = spliced(node, sequence.shapes, *position, node.dim(0), shapeRows(node, node.dims(1), node.dim(1)));
  node.result(sequenceValue(node, sequence));
}

void sequenceErase(Node &node, RunTimeSequence sequence) {
  Dim length = lengthOf(sequence);
  node.requireAtMost(node.dim(1), length, "the tensors of a sequence that one is erased from");
  std::optional<Dim> position = node.in(1) ? positionOf(node, 1, sequence, length - 1) : length - 1;
  if (!position || node.failed())
    return;
  Formula f(node);
  Value size = node.slice(tensorSizes(node, sequence), 0, *position, node.dim(1));
  SmallVector<Dim> read = node.readSizes(f.concat({elementsBefore(node, sequence, *position), size}, 0), "elements");
  if (node.failed())
    return;
  node.requireAtMost(read[0] + read[1], elementsOf(sequence), "the elements of the sequence");
  sequence.data = spliced(node, sequence.data, read[0], read[1], Value());
  sequence.shapes = spliced(node, sequence.shapes, *position, node.dim(1), Value());
  node.result(sequenceValue(node, sequence));
}

//===-- All tensors at once ---------------------------------------------------------------------------------------===//

/// `value` with its first axis in the place of axis `to`.
static Value firstAxisTo(Node &node, Value value, int64_t to) {
  if (node.failed() || to == 0)
    return value;
  SmallVector<int64_t> order = llvm::to_vector(llvm::seq<int64_t>(1, cast<RankedTensorType>(value.getType()).getRank()));
  order.insert(order.begin() + to, 0);
  return node.transpose(value, order);
}

/// The sizes that all tensors share; along axis `free` they may differ. The run fails where they do not.
static SmallVector<Dim> sharedSizes(Node &node, const RunTimeSequence &sequence, int64_t rank, std::optional<int64_t> free) {
  Formula f(node);
  // No size is below -1: moved up, so that they can be read.
  Value above = f.add(sequence.shapes, 1.0);
  Value most = node.reshape(f.reduce(ReduceKind::Max, above, {0}, false), {node.dim(kShapeColumns)});
  Value least = node.reshape(f.reduce(ReduceKind::Min, above, {0}, false), {node.dim(kShapeColumns)});
  SmallVector<Dim> read = node.readSizes(f.concat({most, least}, 0), "size");
  SmallVector<Dim> sizes;
  for (int64_t axis = 0; axis < kShapeColumns && !node.failed(); ++axis) {
    Dim size = read[axis];
    bool isAxis = axis < rank, differs = isAxis && free == axis;
    node.requireAtMost(node.dim(isAxis ? 1 : 0), differs ? read[kShapeColumns + axis] : size, "the rank of the sequence's tensors");
    if (!isAxis)
      node.require(size, node.dim(0), "the rank of the sequence's tensors");
    else if (!differs)
      node.require(read[kShapeColumns + axis], size, "a size of the sequence's tensors, which must be equal");
    if (isAxis)
      sizes.push_back(size - 1);
  }
  return sizes;
}

void sequenceConcat(Node &node, RunTimeSequence sequence) {
  if (!sequence.dims)
    return node.unsupported("a sequence of tensors whose rank only the run knows");
  Formula f(node);
  bool isNew = node.integer("new_axis", 0) != 0;
  int64_t rank = int64_t(sequence.dims->size()), axis = node.axisOf(node.integer("axis", 0), rank + isNew);
  if (node.failed())
    return;
  Dim length = lengthOf(sequence);
  node.requireAtMost(node.dim(1), length, "the tensors of a sequence that are put together");
  bool alongFirst = axis == 0 && !isNew;
  SmallVector<Dim> sizes = sharedSizes(node, sequence, rank, alongFirst ? std::optional<int64_t>(0) : std::nullopt);
  if (node.failed())
    return;
  if (alongFirst) {
    SmallVector<Dim> sum = node.readSizes(f.reduce(ReduceKind::Sum, node.slice(sequence.shapes, 1, node.dim(0), node.dim(1)), {0, 1}), "sum");
    if (node.failed())
      return;
    sizes[0] = sum[0];
    node.require(nn::product(node.context, sizes), elementsOf(sequence), "the elements of the sequence");
    return node.result(moved(node, sequence.data, [&](Value part) { return node.reshape(part, sizes); }));
  }
  SmallVector<Dim> stacked{length};
  llvm::append_range(stacked, sizes);
  node.require(nn::product(node.context, stacked), elementsOf(sequence), "the elements of the sequence");
  node.result(moved(node, sequence.data, [&](Value part) {
    Value out = firstAxisTo(node, node.reshape(part, stacked), axis);
    if (isNew || node.failed())
      return out;
    SmallVector<Dim> widened(sizes);
    widened[axis] = sizes[axis] * length;
    return node.reshape(out, widened);
  }));
}

void splitEvenly(Node &node, int64_t axis, Dim part, bool keepsAxis) {
  Formula f(node);
  SmallVector<Dim> dims = node.dims(0);
  node.requireAtMost(node.dim(1), part, "the size of the parts");
  Dim divisor = part.max(node.dim(1)); // what divides must be positive, whatever the run finds
  Dim whole = dims[axis].floorDiv(divisor), rest = dims[axis].mod(divisor);
  SmallVector<Dim> split(dims), partDims(dims), restDims(dims);
  split[axis] = part;
  split.insert(split.begin() + axis, whole);
  partDims[axis] = part;
  restDims[axis] = rest;
  SmallVector<int64_t> order = llvm::to_vector(llvm::seq<int64_t>(0, int64_t(split.size())));
  order.erase(order.begin() + axis);
  order.insert(order.begin(), axis);
  Value regular = moved(node, node.in(0), [&](Value tensor) {
    Value parts = node.reshape(node.slice(tensor, axis, node.dim(0), whole * part), split);
    return axis > 0 && !node.failed() ? node.transpose(parts, order) : parts;
  });
  RunTimeSequence out;
  if (!keepsAxis) { // parts of one slice
    partDims.erase(partDims.begin() + axis);
    out.data = flat(node, regular);
    out.shapes = shapeRows(node, partDims, whole);
  } else {
    Value last = moved(node, node.in(0), [&](Value tensor) { return node.slice(tensor, axis, whole * part, rest); });
    out.data = joined(node, {flat(node, regular), flat(node, last)}, 0);
    out.shapes = f.concat({shapeRows(node, partDims, whole), shapeRows(node, restDims, rest.min(node.dim(1)))}, 0);
  }
  out.dims = llvm::map_to_vector(partDims, [](Dim dim) { return dim.asConstant().value_or(kFree); });
  if (keepsAxis)
    (*out.dims)[axis] = kFree;
  node.result(sequenceValue(node, out));
}

} // namespace tenon::importer
