// Sequences and optionals. Which tensors a sequence holds is known while the model is imported: it is a list of values, and none of it is left in the module.
#include "lib/Importer/GraphImporter.h"
#include "lib/Importer/Operators.h"

namespace tenon::importer {
using namespace mlir;
using nn::Dim;

/// The tensors of a sequence: the operands of the cast that stands for it.
static SmallVector<Value> elementsOf(Value sequence) {
  auto cast = sequence.getDefiningOp<UnrealizedConversionCastOp>();
  return cast ? SmallVector<Value>(cast.getInputs()) : SmallVector<Value>();
}

static Value sequenceOf(Node &node, ArrayRef<Value> elements) {
  SmallVector<Type> types(ValueRange(elements).getTypes());
  return UnrealizedConversionCastOp::create(node.builder, node.location, TupleType::get(node.context, types), elements).getResult(0);
}

/// The elements of input i, or none after a report.
static std::optional<SmallVector<Value>> sequence(Node &node, size_t i) {
  if (node.in(i) && isa<TupleType>(node.in(i).getType()))
    return elementsOf(node.in(i));
  node.invalid("input " + Twine(i) + " is not a sequence");
  return std::nullopt;
}

/// Input i as a position in a sequence of `size` elements (or, with `isEnd`, behind the last one).
static std::optional<size_t> position(Node &node, size_t i, size_t size, bool isEnd = false) {
  std::optional<SmallVector<int64_t>> given = node.knownIntegers(i);
  if (!given)
    return std::nullopt;
  int64_t most = int64_t(size) - !isEnd;
  if (given->size() != 1 || given->front() < -int64_t(size) || given->front() > most) {
    node.invalid("the position must be one number from " + Twine(-int64_t(size)) + " to " + Twine(most));
    return std::nullopt;
  }
  return given->front() < 0 ? size_t(given->front() + int64_t(size)) : size_t(given->front());
}

static void construct(Node &node) {
  SmallVector<Value> elements;
  for (size_t i = 0; i < node.inputCount(); ++i)
    elements.push_back(node.in(i));
  node.result(sequenceOf(node, elements));
}

static void empty(Node &node) { node.result(sequenceOf(node, {})); }

static void length(Node &node) {
  if (std::optional<SmallVector<Value>> elements = sequence(node, 0))
    node.result(node.scalar(double(elements->size()), node.builder.getI64Type()));
}

/// At a position that only the run knows: a row of all elements, which must have one shape then.
static Value elementAtRunTime(Node &node, ArrayRef<Value> elements) {
  if (elements.empty() || !llvm::all_of(elements, [&](Value value) { return value.getType() == elements[0].getType(); })) {
    node.unsupported("a position that only the run knows, in a sequence of tensors of different shapes");
    return {};
  }
  SmallVector<Dim> dims = nn::dimsOf(elements[0].getType()), row{node.dim(1)};
  llvm::append_range(row, dims);
  SmallVector<Value> rows;
  for (Value element : elements)
    rows.push_back(node.reshape(element, row));
  Value position = node.cast(node.reshape(node.in(1), {}), node.builder.getI64Type());
  return node.make<nn::GatherOp>(node.make<nn::ConcatOp>(rows, node.i64(0)), position, node.i64(0));
}

static void at(Node &node) {
  std::optional<SmallVector<Value>> elements = sequence(node, 0);
  if (!elements)
    return;
  if (!node.isKnown(1))
    return node.result(elementAtRunTime(node, *elements));
  if (std::optional<size_t> index = position(node, 1, elements->size()))
    node.result((*elements)[*index]);
}

static void insert(Node &node) {
  std::optional<SmallVector<Value>> elements = sequence(node, 0);
  if (!elements)
    return;
  if (isa<TupleType>(node.in(1).getType()))
    return node.invalid("a tensor was expected");
  std::optional<size_t> index = node.in(2) ? position(node, 2, elements->size(), true) : elements->size();
  if (!index)
    return;
  elements->insert(elements->begin() + *index, node.in(1));
  node.result(sequenceOf(node, *elements));
}

static void erase(Node &node) {
  std::optional<SmallVector<Value>> elements = sequence(node, 0);
  if (!elements)
    return;
  if (elements->empty())
    return node.invalid("the sequence is empty");
  std::optional<size_t> index = node.in(1) ? position(node, 1, elements->size()) : elements->size() - 1;
  if (!index)
    return;
  elements->erase(elements->begin() + *index);
  node.result(sequenceOf(node, *elements));
}

/// Sizes of the parts that SplitToSequence makes: their number must be fixed.
static std::optional<SmallVector<Dim>> partSizes(Node &node, Dim extent) {
  bool isScalar = !node.in(1) || node.rank(1) == 0;
  if (!isScalar)
    return node.sizes(1);
  int64_t part = 1;
  if (node.in(1)) {
    std::optional<SmallVector<int64_t>> given = node.knownIntegers(1);
    if (!given)
      return std::nullopt;
    part = given->front();
  }
  constexpr int64_t kMostParts = 65536;
  std::optional<int64_t> whole = extent.asConstant();
  if (!whole || part < 1 || *whole / part > kMostParts) {
    node.unsupported("a sequence of as many tensors as only the run knows, or of very many");
    return std::nullopt;
  }
  SmallVector<Dim> sizes;
  for (int64_t start = 0; start < *whole; start += part)
    sizes.push_back(node.dim(std::min(part, *whole - start)));
  return sizes;
}

static void split(Node &node) {
  int64_t axis = node.axisOf(node.integer("axis", 0), node.rank(0));
  if (node.failed())
    return;
  SmallVector<Dim> dims = node.dims(0);
  std::optional<SmallVector<Dim>> sizes = partSizes(node, dims[axis]);
  if (!sizes)
    return;
  Dim start = node.dim(0);
  SmallVector<Value> parts;
  bool keeps = node.in(1) || node.integer("keepdims", 1) != 0;
  for (Dim size : *sizes) {
    Value part = node.slice(node.in(0), axis, start, size);
    start = start + size;
    SmallVector<Dim> squeezed = dims;
    squeezed.erase(squeezed.begin() + axis);
    parts.push_back(keeps ? part : node.reshape(part, squeezed));
  }
  if (start.isConstant() && dims[axis].isConstant() && start != dims[axis])
    return node.invalid("the parts add up to " + start.str() + ", the axis has " + dims[axis].str());
  node.require(start, dims[axis], "the sum of the parts' sizes");
  if (!node.failed())
    node.result(sequenceOf(node, parts));
}

static void concat(Node &node) {
  std::optional<SmallVector<Value>> elements = sequence(node, 0);
  if (!elements)
    return;
  if (elements->empty())
    return node.unsupported("a sequence that is empty");
  bool isNew = node.integer("new_axis", 0) != 0;
  int64_t rank = cast<RankedTensorType>(elements->front().getType()).getRank() + isNew, axis = node.axisOf(node.integer("axis", 0), rank);
  for (Value &element : *elements) {
    if (node.failed() || !isNew)
      break;
    SmallVector<Dim> dims = nn::dimsOf(element.getType());
    if (int64_t(dims.size()) + 1 != rank)
      return node.invalid("its tensors have different ranks");
    dims.insert(dims.begin() + axis, node.dim(1));
    element = node.reshape(element, dims);
  }
  node.result(elements->size() == 1 ? elements->front() : node.make<nn::ConcatOp>(*elements, node.i64(axis)));
}

/// The body for each element, one behind the other.
static void map(Node &node) {
  const onnx::AttributeProto *body = node.attribute("body");
  std::optional<SmallVector<Value>> first = sequence(node, 0);
  if (!first)
    return;
  if (!body || !body->has_g() || size_t(body->g().input_size()) != node.inputCount() || body->g().output_size() != node.proto.output_size())
    return node.invalid("the body must have an input for each input of the node, and an output for each output");
  SmallVector<SmallVector<Value>> results(node.proto.output_size());
  for (size_t i = 0; i < first->size(); ++i) {
    SmallVector<std::pair<StringRef, Value>> bindings;
    for (size_t input = 0; input < node.inputCount(); ++input) {
      Value value = node.in(input);
      if (isa<TupleType>(value.getType())) {
        SmallVector<Value> elements = elementsOf(value);
        if (elements.size() != first->size())
          return node.invalid("its sequences have different lengths");
        value = elements[i];
      }
      bindings.emplace_back(body->g().input(int(input)).name(), value);
    }
    SmallVector<Value> made;
    if (mlir::failed(node.importer.inlineBranch(body->g(), node.scope, made, bindings)))
      return node.stop();
    for (auto [list, value] : llvm::zip_equal(results, made)) {
      if (!value)
        return node.unsupported("an operator within the body");
      list.push_back(value);
    }
  }
  for (auto [i, list] : llvm::enumerate(results))
    node.result(i, sequenceOf(node, list));
}

//===-- Optionals: what they hold, or a cast of nothing to none ---------------------------------------------------===//

static void optional(Node &node) {
  if (node.in(0))
    return node.result(node.in(0));
  node.result(UnrealizedConversionCastOp::create(node.builder, node.location, NoneType::get(node.context), ValueRange()).getResult(0));
}

static bool holds(Node &node) { return node.in(0) && !isa<NoneType>(node.in(0).getType()); }

static void optionalHasElement(Node &node) {
  node.result(node.constant(DenseElementsAttr::get(RankedTensorType::get({}, node.builder.getI1Type()), holds(node))));
}

static void optionalGetElement(Node &node) {
  if (!holds(node))
    return node.invalid("the optional holds nothing");
  node.result(node.in(0));
}

void registerSequences(OperatorTable &table) {
  table.addSequence("SequenceConstruct", 11, 1, kAnyNumber, construct);
  table.addSequence("SequenceEmpty", 11, 0, 0, empty);
  table.addSequence("SequenceLength", 11, 1, 1, length);
  table.addSequence("SequenceAt", 11, 2, 2, at);
  table.addSequence("SequenceInsert", 11, 2, 3, insert);
  table.addSequence("SequenceErase", 11, 1, 2, erase);
  table.addSequence("SplitToSequence", 11, 1, 2, split);
  table.addSequence("ConcatFromSequence", 11, 1, 1, concat);
  table.addSequence("SequenceMap", 17, 1, 1 << 16, map);
  table.addSequence("Optional", 15, 0, 1, optional);
  table.addSequence("OptionalHasElement", 15, 0, 1, optionalHasElement);
  table.addSequence("OptionalGetElement", 15, 1, 1, optionalGetElement);
}

} // namespace tenon::importer
