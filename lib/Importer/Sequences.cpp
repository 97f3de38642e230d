// Sequences and optionals. A sequence whose tensors are known while the model is imported is a list of values; any other one is
// two tensors (RunTimeSequences.h).
#include "lib/Importer/GraphImporter.h"
#include "lib/Importer/Operators.h"
#include "lib/Importer/Parts.h"
#include "lib/Importer/RunTimeSequences.h"
#include "lib/Importer/Strings.h"

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

/// Input i, as a list of tensors or as one that only the run knows.
struct SequenceInput {
  std::optional<RunTimeSequence> atRunTime;
  SmallVector<Value> elements; // otherwise

  /// As tensors of the run.
  RunTimeSequence toRunTime(Node &node) {
    if (atRunTime)
      return *atRunTime;
    if (elements.empty()) {
      node.unsupported("a position that only the run knows, in an empty sequence");
      return {};
    }
    Type element = getElementTypeOrSelf(elements[0].getType());
    if (llvm::all_of(elements, [&](Value tensor) { return getElementTypeOrSelf(tensor.getType()) == element; }))
      return runTimeSequenceOf(node, elements, element);
    node.invalid("the tensors of the sequence have different element types");
    return {};
  }
};

/// None after a report.
static std::optional<SequenceInput> sequence(Node &node, size_t i) {
  Value value = node.in(i);
  if (std::optional<RunTimeSequence> atRunTime = runTimeSequence(value))
    return SequenceInput{atRunTime, {}};
  if (value && isa<TupleType>(value.getType()))
    return SequenceInput{std::nullopt, elementsOf(value)};
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

static bool isTensorInput(Node &node, size_t i) {
  if (!node.in(i) || isa<RankedTensorType>(node.in(i).getType()))
    return true;
  node.invalid("input " + Twine(i) + " is not a tensor");
  return false;
}

/// Whether input i is there, and its value a constant.
static bool isFixed(Node &node, size_t i) {
  if (!node.in(i))
    return true;
  std::optional<SmallVector<Dim>> values = nn::constantDims(node.in(i));
  return values && llvm::all_of(*values, [](Dim value) { return value.isConstant(); });
}

static void construct(Node &node) {
  SmallVector<Value> elements;
  for (size_t i = 0; i < node.inputCount(); ++i) {
    if (!isTensorInput(node, i))
      return;
    elements.push_back(node.in(i));
  }
  node.result(sequenceOf(node, elements));
}

static void empty(Node &node) { node.result(sequenceOf(node, {})); }

static void length(Node &node) {
  std::optional<SequenceInput> given = sequence(node, 0);
  if (!given)
    return;
  Dim count = given->atRunTime ? nn::dimsOf(given->atRunTime->shapes.getType())[0] : node.dim(int64_t(given->elements.size()));
  node.result(node.constant({count}, RankedTensorType::get({}, node.builder.getI64Type())));
}

/// At a position that only the run knows: a row of all elements, which have one shape.
static Value elementAtRunTime(Node &node, ArrayRef<Value> elements) {
  SmallVector<Dim> dims = nn::dimsOf(elements[0].getType()), row{node.dim(1)};
  llvm::append_range(row, dims);
  SmallVector<Value> rows;
  for (Value element : elements)
    rows.push_back(node.reshape(element, row));
  Value position = node.cast(node.reshape(node.in(1), {}), node.builder.getI64Type());
  return node.make<nn::GatherOp>(node.make<nn::ConcatOp>(rows, node.i64(0)), position, node.i64(0));
}

static void at(Node &node) {
  std::optional<SequenceInput> given = sequence(node, 0);
  if (!given || !isTensorInput(node, 1))
    return;
  ArrayRef<Value> elements = given->elements;
  if (!given->atRunTime && isFixed(node, 1)) {
    if (std::optional<size_t> index = position(node, 1, elements.size()))
      node.result(elements[*index]);
    return;
  }
  auto isLikeFirst = [&](Value value) { return isNumeric(value) && value.getType() == elements[0].getType(); };
  if (!given->atRunTime && !elements.empty() && llvm::all_of(elements, isLikeFirst))
    return node.result(elementAtRunTime(node, elements));
  RunTimeSequence all = given->toRunTime(node);
  if (!node.failed())
    sequenceAt(node, all);
}

static void insert(Node &node) {
  std::optional<SequenceInput> given = sequence(node, 0);
  if (!given || !isTensorInput(node, 1) || !isTensorInput(node, 2))
    return;
  if (given->atRunTime || !isFixed(node, 2)) {
    RunTimeSequence all = given->toRunTime(node);
    return node.failed() ? void() : sequenceInsert(node, all);
  }
  SmallVector<Value> &elements = given->elements;
  std::optional<size_t> index = node.in(2) ? position(node, 2, elements.size(), true) : elements.size();
  if (!index)
    return;
  elements.insert(elements.begin() + *index, node.in(1));
  node.result(sequenceOf(node, elements));
}

static void erase(Node &node) {
  std::optional<SequenceInput> given = sequence(node, 0);
  if (!given || !isTensorInput(node, 1))
    return;
  if (given->atRunTime || !isFixed(node, 1)) {
    RunTimeSequence all = given->toRunTime(node);
    return node.failed() ? void() : sequenceErase(node, all);
  }
  SmallVector<Value> &elements = given->elements;
  if (elements.empty())
    return node.invalid("the sequence is empty");
  std::optional<size_t> index = node.in(1) ? position(node, 1, elements.size()) : elements.size() - 1;
  if (!index)
    return;
  elements.erase(elements.begin() + *index);
  node.result(sequenceOf(node, elements));
}

constexpr int64_t kMostParts = 65536;

/// Sizes of the parts that SplitToSequence makes, one for each; none where only the run knows how many there are.
static std::optional<SmallVector<Dim>> partSizes(Node &node, Dim extent) {
  bool isScalar = !node.in(1) || node.rank(1) == 0;
  if (!isScalar)
    return node.sizes(1);
  if (!extent.isConstant() || !isFixed(node, 1))
    return std::nullopt;
  int64_t part = node.in(1) ? node.knownIntegers(1).value_or(SmallVector<int64_t>{0}).front() : 1, whole = *extent.asConstant();
  if (part < 1)
    node.invalid("the parts have the size " + Twine(part));
  if (part < 1 || whole / part > kMostParts)
    return std::nullopt;
  SmallVector<Dim> sizes;
  for (int64_t start = 0; start < whole; start += part)
    sizes.push_back(node.dim(std::min(part, whole - start)));
  return sizes;
}

/// Parts of one size, as many as the run finds.
static void splitAtRunTime(Node &node, int64_t axis, bool keepsAxis) {
  SmallVector<Dim> part{node.dim(1)};
  if (node.in(1))
    part = node.readSizes(node.in(1), "part");
  if (!node.failed())
    splitEvenly(node, axis, part[0], keepsAxis);
}

static void split(Node &node) {
  if (!isTensorInput(node, 0) || !isTensorInput(node, 1))
    return;
  if (node.in(1) && (!isNumeric(node.in(1)) || !isa<IntegerType>(node.element(1)) || node.rank(1) > 1))
    return node.invalid("the sizes of the parts must be one integer or a vector of them");
  int64_t axis = node.axisOf(node.integer("axis", 0), node.rank(0));
  bool keeps = node.in(1) || node.integer("keepdims", 1) != 0;
  if (node.failed())
    return;
  SmallVector<Dim> dims = node.dims(0);
  std::optional<SmallVector<Dim>> sizes = partSizes(node, dims[axis]);
  if (node.failed())
    return;
  if (!sizes)
    return splitAtRunTime(node, axis, keeps);
  Dim start = node.dim(0);
  SmallVector<Value> parts;
  for (Dim size : *sizes) {
    SmallVector<Dim> squeezed = dims;
    squeezed.erase(squeezed.begin() + axis);
    parts.push_back(moved(node, node.in(0), [&](Value tensor) {
      Value part = node.slice(tensor, axis, start, size);
      return keeps || node.failed() ? part : node.reshape(part, squeezed);
    }));
    start = start + size;
  }
  if (start.isConstant() && dims[axis].isConstant() && start != dims[axis])
    return node.invalid("the parts add up to " + start.str() + ", the axis has " + dims[axis].str());
  node.require(start, dims[axis], "the sum of the parts' sizes");
  if (!node.failed())
    node.result(sequenceOf(node, parts));
}

static void concat(Node &node) {
  std::optional<SequenceInput> given = sequence(node, 0);
  if (!given)
    return;
  if (given->atRunTime)
    return sequenceConcat(node, *given->atRunTime);
  SmallVector<Value> &elements = given->elements;
  if (elements.empty())
    return node.invalid("the sequence is empty");
  if (!llvm::all_of(elements, [&](Value tensor) { return isString(tensor) == isString(elements[0]); }))
    return node.invalid("the sequence holds strings and numbers");
  bool isNew = node.integer("new_axis", 0) != 0;
  int64_t rank = cast<RankedTensorType>(elements.front().getType()).getRank() + isNew, axis = node.axisOf(node.integer("axis", 0), rank);
  for (Value &element : elements) {
    if (node.failed() || !isNew)
      break;
    SmallVector<Dim> dims = nn::dimsOf(element.getType());
    if (int64_t(dims.size()) + 1 != rank)
      return node.invalid("its tensors have different ranks");
    dims.insert(dims.begin() + axis, node.dim(1));
    element = moved(node, element, [&](Value tensor) { return node.reshape(tensor, dims); });
  }
  node.result(joined(node, elements, axis));
}

//===-- SequenceMap -----------------------------------------------------------------------------------------------===//

static const onnx::GraphProto *bodyOf(Node &node) {
  const onnx::AttributeProto *body = node.attribute("body");
  for (size_t i = 0; i < node.inputCount(); ++i)
    if (!node.in(i)) {
      node.invalid("input " + Twine(i) + " is missing");
      return nullptr;
    }
  if (body && body->has_g() && size_t(body->g().input_size()) == node.inputCount() && body->g().output_size() == node.proto.output_size())
    return &body->g();
  node.invalid("the body must have an input for each input of the node, and an output for each output");
  return nullptr;
}

static onnx::NodeProto &addNode(onnx::GraphProto &graph, StringRef op, ArrayRef<std::string> inputs, const std::string &output) {
  onnx::NodeProto &made = *graph.add_node();
  made.set_op_type(op.str());
  for (const std::string &input : inputs)
    made.add_input(input);
  made.add_output(output);
  return made;
}

static std::string numbered(StringRef name, int i) { return ("SequenceMap." + name + Twine(i)).str(); }

/// ONNX's definition of it: a Loop whose iterations put the body's results behind sequences that are empty at first. Inputs are called SequenceMap.in<i>,
/// results SequenceMap.out<i>.
static void defineMap(Node &node, const onnx::GraphProto &body, onnx::GraphProto &graph) {
  addNode(graph, "SequenceLength", {numbered("in", 0)}, "SequenceMap.length");
  onnx::NodeProto loop;
  loop.set_op_type("Loop");
  loop.set_name(node.proto.name());
  loop.add_input("SequenceMap.length");
  loop.add_input("");
  onnx::AttributeProto &attribute = *loop.add_attribute();
  attribute.set_name("body");
  attribute.set_type(onnx::AttributeProto::GRAPH);
  onnx::GraphProto &iteration = *attribute.mutable_g();
  iteration.set_name(body.name());
  iteration.add_input()->set_name("SequenceMap.iteration");
  iteration.add_input()->set_name("SequenceMap.condition");
  iteration.add_output()->set_name("SequenceMap.condition");
  for (int i = 0; i < body.input_size(); ++i) {
    bool isElement = isSequence(node.in(i));
    addNode(iteration, isElement ? "SequenceAt" : "Identity", isElement ? ArrayRef<std::string>{numbered("in", i), "SequenceMap.iteration"} : ArrayRef<std::string>{numbered("in", i)},
            body.input(i).name());
  }
  iteration.mutable_node()->MergeFrom(body.node());
  iteration.mutable_initializer()->MergeFrom(body.initializer());
  iteration.mutable_value_info()->MergeFrom(body.value_info());
  for (int i = 0; i < body.output_size(); ++i) {
    addNode(graph, "SequenceEmpty", {}, numbered("none", i));
    loop.add_input(numbered("none", i));
    loop.add_output(numbered("out", i));
    onnx::ValueInfoProto &carried = *iteration.add_input();
    carried.set_name(numbered("carried", i));
    *carried.mutable_type()->mutable_sequence_type()->mutable_elem_type() = body.output(i).type();
    addNode(iteration, "SequenceInsert", {numbered("carried", i), body.output(i).name()}, numbered("next", i));
    iteration.add_output()->set_name(numbered("next", i));
    graph.add_output()->set_name(numbered("out", i));
  }
  *graph.add_node() = loop;
}

static void mapAtRunTime(Node &node, const onnx::GraphProto &body) {
  onnx::GraphProto &graph = node.importer.newGraph();
  defineMap(node, body, graph);
  std::vector<std::string> names;
  for (size_t i = 0; i < node.inputCount(); ++i)
    names.push_back(numbered("in", int(i)));
  SmallVector<std::pair<StringRef, Value>> bindings;
  for (size_t i = 0; i < node.inputCount(); ++i)
    bindings.emplace_back(names[i], node.in(i));
  SmallVector<Value> results;
  if (mlir::failed(node.importer.inlineBranch(graph, node.scope, results, bindings)))
    return node.stop();
  for (auto [i, value] : llvm::enumerate(results)) {
    if (!value)
      return node.unsupported("an operator within the body");
    node.result(i, value);
  }
}

/// The body for each element, one behind the other.
static void map(Node &node) {
  const onnx::GraphProto *body = bodyOf(node);
  std::optional<SequenceInput> first = sequence(node, 0);
  if (!body || !first)
    return;
  for (size_t i = 0; i < node.inputCount(); ++i)
    if (runTimeSequence(node.in(i)))
      return mapAtRunTime(node, *body);
  SmallVector<SmallVector<Value>> results(node.proto.output_size());
  for (size_t i = 0; i < first->elements.size(); ++i) {
    SmallVector<std::pair<StringRef, Value>> bindings;
    for (size_t input = 0; input < node.inputCount(); ++input) {
      Value value = node.in(input);
      if (isa<TupleType>(value.getType())) {
        SmallVector<Value> elements = elementsOf(value);
        if (elements.size() != first->elements.size())
          return node.invalid("its sequences have different lengths");
        value = elements[i];
      }
      bindings.emplace_back(body->input(int(input)).name(), value);
    }
    SmallVector<Value> made;
    if (mlir::failed(node.importer.inlineBranch(*body, node.scope, made, bindings)))
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

//===-- Optionals -------------------------------------------------------------------------------------------------===//

static void optional(Node &node) { node.result(node.in(0) ? node.in(0) : absent(node)); }

static void optionalHasElement(Node &node) {
  if (auto held = compoundOf(node.in(0), kOptionalType))
    return node.result(held.getInputs()[0]);
  bool holds = node.in(0) && !isAbsent(node.in(0));
  node.result(node.constant(DenseElementsAttr::get(RankedTensorType::get({}, node.builder.getI1Type()), holds)));
}

static void optionalGetElement(Node &node) {
  if (isAbsent(node.in(0)))
    return node.invalid("the optional holds nothing");
  auto held = compoundOf(node.in(0), kOptionalType);
  if (!held)
    return node.result(node.in(0));
  SmallVector<Dim> present = node.readSizes(node.cast(held.getInputs()[0], node.builder.getI64Type()), "present");
  if (node.failed())
    return;
  node.require(present[0], node.dim(1), "how many values the optional holds");
  node.result(held.getInputs()[1]);
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
