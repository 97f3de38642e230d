// The model's inputs and outputs as arguments and results of @main. What is no tensor of numbers is passed as the tensors it consists of:
// include/tenon/runtime.h says what they are.
#include "lib/Importer/GraphImporter.h"
#include "lib/Importer/InputTypes.h"
#include "lib/Importer/Locations.h"
#include "lib/Importer/PackedElements.h"
#include "lib/Importer/Parts.h"
#include "lib/Importer/RunTimeSequences.h"
#include "lib/Importer/Strings.h"

namespace tenon::importer {
using namespace mlir;
using nn::Dim;

namespace {
/// A tensor of an input or output.
struct Part {
  StringRef kind; // "" of a value that is one tensor of numbers
  RankedTensorType type;
};

/// Where values are taken apart that no node has: reports name the input or output.
class InterfaceNode {
public:
  InterfaceNode(GraphImporter &importer, Scope &scope, int64_t opset, Location location, const std::string &name)
      : proto(protoOf(name)), node(importer, scope, proto, opset, location, {}) {}

private:
  static onnx::NodeProto protoOf(const std::string &name) {
    onnx::NodeProto proto;
    proto.set_op_type("'" + name + "'");
    proto.add_output(name);
    return proto;
  }
  onnx::NodeProto proto;

public:
  Node node;
};
} // namespace

/// The innermost type: of the tensor, or of the tensors of the sequence.
static const onnx::TypeProto::Tensor &tensorOf(const onnx::TypeProto &type) {
  if (type.has_optional_type())
    return tensorOf(type.optional_type().elem_type());
  return type.has_sequence_type() ? type.sequence_type().elem_type().tensor_type() : type.tensor_type();
}

/// Whether a type is built of at most one optional of at most one sequence of tensors.
static bool isPassable(const onnx::TypeProto &type) {
  const onnx::TypeProto &held = type.has_optional_type() ? type.optional_type().elem_type() : type;
  return (held.has_sequence_type() ? held.sequence_type().elem_type() : held).has_tensor_type();
}

/// The tensors that an input is passed as.
static FailureOr<SmallVector<Part>> partsOf(InputTypes &types, const onnx::ValueInfoProto &input, const Form &form, Location location) {
  MLIRContext *context = location.getContext();
  const onnx::TypeProto::Tensor &tensor = tensorOf(input.type());
  if (!isPassable(input.type()))
    return emitError(location) << "the input is no tensor, and no sequence or optional of tensors; nothing else is supported";
  if (!form.element || (!form.isNumeric() && !form.isString && isPacked(form.element)))
    return emitError(location) << "the input has the element type " << dataTypeName(tensor.elem_type()) << ", which is not supported"
                               << (form.element ? " in a sequence or an optional" : "");
  auto index = IntegerType::get(context, 64);
  auto symbol = [&](StringRef what) { return Dim::symbol(context, (input.name() + "." + what).str()); };
  SmallVector<Part> parts;
  if (form.isOptional)
    parts.push_back({"present", RankedTensorType::get({}, IntegerType::get(context, 1))});
  if (form.isSequence) {
    if (form.isString)
      parts.push_back({"bytes", nn::tensorOf({symbol("bytes")}, IntegerType::get(context, 8, IntegerType::Unsigned))});
    parts.push_back({form.isString ? "ends" : "data", nn::tensorOf({symbol("elements")}, form.isString ? index : form.element)});
    parts.push_back({"shapes", nn::tensorOf({symbol("tensors"), Dim::constant(context, kShapeColumns)}, index)});
    return parts;
  }
  FailureOr<RankedTensorType> type = types.typeOf(input.name(), tensor, form.isString ? index : form.element);
  if (failed(type))
    return failure();
  if (form.isString)
    parts.push_back({"bytes", nn::tensorOf({symbol("bytes")}, IntegerType::get(context, 8, IntegerType::Unsigned))});
  parts.push_back({form.isString ? "ends" : form.isOptional ? "data" : "", *type});
  return parts;
}

/// The value that arguments make.
static Value fromArguments(Node &node, const Form &form, ArrayRef<Part> types, ArrayRef<Value> arguments) {
  if (form.isNumeric())
    return isPacked(form.element) ? unpack(node.builder, node.location, arguments[0], types[0].type) : arguments[0];
  SmallVector<Value> parts(arguments);
  ArrayRef<Value> held = arguments.drop_front(form.isOptional ? 1 : 0);
  Value data = held[0];
  if (form.isString) {
    Strings strings = stringsFrom(node, held[0], held[1]);
    data = stringsValue(node, strings);
    parts.truncate(form.isOptional ? 1 : 0);
    parts.append({strings.bytes, strings.starts, strings.lengths});
    if (form.isSequence)
      parts.push_back(held[2]);
  }
  if (form.isSequence && !node.failed())
    requireConsistent(node, {data, held.back(), form.dims});
  return compose(node, form, parts);
}

static std::string partName(StringRef name, StringRef kind) { return kind.empty() ? name.str() : (name + "." + kind).str(); }

LogicalResult GraphImporter::addArguments(const onnx::GraphProto &graph, Scope &scope, func::FuncOp main) {
  llvm::StringSet<> initializers;
  for (const onnx::TensorProto &tensor : graph.initializer())
    initializers.insert(tensor.name());
  Block &entry = main.getBody().front();
  struct Argument {
    std::string value, kind;
    RankedTensorType type;
  };
  SmallVector<Argument> signature;
  for (const onnx::ValueInfoProto &input : graph.input()) {
    if (initializers.contains(input.name()))
      continue; // a default value, and before IR version 4 the way to say "constant"
    Location location = partLocation(context, input.name());
    Form form = formOf(context, input.type());
    FailureOr<SmallVector<Part>> parts = partsOf(inputTypes, input, form, location);
    if (failed(parts))
      return failure();
    SmallVector<Value> arguments;
    for (const Part &part : *parts) {
      arguments.push_back(entry.addArgument(isPacked(part.type.getElementType()) ? bytesOf(part.type) : part.type, location));
      SmallVector<StringRef> symbols;
      for (Dim dim : nn::dimsOf(part.type))
        dim.collectSymbols(symbols);
      sizeNames.insert_range(symbols);
      signature.push_back({input.name(), part.kind.str(), part.type});
    }
    InterfaceNode interface(*this, scope, scope.opsets.lookup(""), location, input.name());
    Value value = fromArguments(interface.node, form, *parts, arguments);
    if (interface.node.failed())
      return failure();
    if (input.name().empty() || !scope.values.try_emplace(input.name(), value).second)
      return emitError(location) << "the model has an input without a name, or two of the same name";
  }
  main.setFunctionType(opBuilder.getFunctionType(entry.getArgumentTypes(), {}));
  for (auto [i, input] : llvm::enumerate(signature)) {
    main.setArgAttr(i, "nn.name", opBuilder.getStringAttr(partName(input.value, input.kind)));
    if (!input.kind.empty()) {
      main.setArgAttr(i, "nn.value", opBuilder.getStringAttr(input.value));
      main.setArgAttr(i, "nn.part", opBuilder.getStringAttr(input.kind));
    }
    if (input.type != main.getArgumentTypes()[i])
      main.setArgAttr(i, "nn.type", TypeAttr::get(input.type));
  }
  return success();
}

//===-- Outputs ---------------------------------------------------------------------------------------------------===//

/// A value as its output declares it: an optional where one is declared, and only there. Null after a report.
static Value asOutput(Node &node, Value value, const onnx::TypeProto &declared, Form &form) {
  auto held = compoundOf(value, kOptionalType);
  bool isDeclared = declared.has_tensor_type() || declared.has_sequence_type() || declared.has_optional_type();
  if (isDeclared && held && !declared.has_optional_type()) {
    SmallVector<Dim> present = node.readSizes(node.cast(held.getInputs()[0], node.builder.getI64Type()), "present");
    if (node.failed())
      return {};
    node.require(present[0], node.dim(1), "how many values the optional of the output holds");
    value = held.getInputs()[1];
  }
  form = formOf(value);
  if (isDeclared && (!form.element || declared.has_optional_type()))
    if (std::optional<Form> joined = join(form, formOf(node.context, declared)))
      form = *joined;
  return value;
}

/// The tensors that an output is passed as, with what they are.
static SmallVector<std::pair<Value, StringRef>> outputParts(Node &node, Value value, const Form &form) {
  SmallVector<Value> parts = partsOf(node, value, form);
  if (node.failed())
    return {};
  if (form.isNumeric())
    return {{parts[0], ""}};
  SmallVector<std::pair<Value, StringRef>> out;
  if (form.isOptional)
    out.emplace_back(parts[0], "present");
  ArrayRef<Value> held = ArrayRef(parts).drop_front(form.isOptional ? 1 : 0);
  if (form.isString) {
    Strings strings = packed(node, {held[0], held[1], held[2]});
    out.append({{strings.bytes, "bytes"}, {node.make<nn::AddOp>(strings.starts, strings.lengths), "ends"}});
  } else {
    out.emplace_back(held[0], "data");
  }
  if (form.isSequence)
    out.emplace_back(held.back(), "shapes");
  return out;
}

LogicalResult GraphImporter::addResults(const onnx::GraphProto &graph, Scope &scope, func::FuncOp main) {
  struct Result {
    std::string value;
    StringRef kind;
    Type type;
  };
  SmallVector<Value> results;
  SmallVector<Result> signature;
  llvm::StringSet<> names;
  for (const onnx::ValueInfoProto &output : graph.output()) {
    Location location = partLocation(context, output.name());
    Value value;
    Lookup found = output.name().empty() ? Lookup::Missing : lookup(output.name(), scope, value);
    if (found == Lookup::Failed)
      return failure();
    if (found != Lookup::Found)
      return emitError(location) << "the graph output is produced by no node";
    if (!names.insert(output.name()).second)
      return emitError(location) << "two graph outputs have the same name";
    if (!value)
      continue; // of an unsupported node
    InterfaceNode interface(*this, scope, scope.opsets.lookup(""), location, output.name());
    Form form;
    value = asOutput(interface.node, value, output.type(), form);
    SmallVector<std::pair<Value, StringRef>> parts = value ? outputParts(interface.node, value, form) : SmallVector<std::pair<Value, StringRef>>();
    if (interface.node.isInvalid())
      return failure();
    Form declared = formOf(context, output.type());
    if (declared.element && form.element && declared.isSequence != form.isSequence)
      return emitError(location) << "the graph output is declared as a " << (declared.isSequence ? "sequence" : "tensor") << ", but it is a "
                                 << (form.isSequence ? "sequence" : "tensor");
    if (declared.element && form.element && declared.element != form.element)
      return emitError(location) << "the graph output is declared with elements of type " << declared.element << ", but they are " << form.element;
    for (auto [part, kind] : parts) {
      results.push_back(part);
      signature.push_back({output.name(), kind, part ? part.getType() : Type()});
    }
  }
  if (!unsupported.empty())
    return success(); // reported by the caller
  if (results.empty())
    return emitError(main.getLoc()) << "the graph has no outputs";
  for (Value &value : results)
    if (isPacked(cast<RankedTensorType>(value.getType()).getElementType()))
      value = pack(opBuilder, main.getLoc(), value);
  func::ReturnOp::create(opBuilder, main.getLoc(), results);
  main.setFunctionType(opBuilder.getFunctionType(main.getArgumentTypes(), ValueRange(results).getTypes()));
  for (auto [i, output] : llvm::enumerate(signature)) {
    main.setResultAttr(i, "nn.name", opBuilder.getStringAttr(partName(output.value, output.kind)));
    if (!output.kind.empty()) {
      main.setResultAttr(i, "nn.value", opBuilder.getStringAttr(output.value));
      main.setResultAttr(i, "nn.part", opBuilder.getStringAttr(output.kind));
    }
    if (output.type != main.getResultTypes()[i])
      main.setResultAttr(i, "nn.type", TypeAttr::get(output.type));
  }
  return success();
}

//===-- Constants -------------------------------------------------------------------------------------------------===//

Value GraphImporter::constantStrings(const onnx::TensorProto &tensor, Location location) {
  SmallVector<int64_t> shape(tensor.dims().begin(), tensor.dims().end());
  int64_t count = 1;
  for (int64_t size : shape)
    if (size < 0 || __builtin_mul_overflow(count, size, &count)) {
      emitError(location) << "the tensor has a size that is negative or overflows";
      return {};
    }
  if (count != tensor.string_data_size()) {
    emitError(location) << "the tensor has " << tensor.string_data_size() << " strings; " << count << " were expected";
    return {};
  }
  Scope scope;
  InterfaceNode interface(*this, scope, 0, location, tensor.name());
  return stringConstant(interface.node, std::vector<std::string>(tensor.string_data().begin(), tensor.string_data().end()), shape);
}

} // namespace tenon::importer
