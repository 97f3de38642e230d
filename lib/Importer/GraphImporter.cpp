#include "lib/Importer/GraphImporter.h"
#include "lib/Importer/GraphOrder.h"
#include "lib/Importer/InputTypes.h"
#include "lib/Importer/Locations.h"
#include "lib/Importer/ModelCheck.h"
#include "lib/Importer/Operators.h"
#include "lib/Importer/Parts.h"
#include "lib/Importer/Strings.h"

#include "mlir/Interfaces/SideEffectInterfaces.h"

namespace tenon::importer {
using namespace mlir;

constexpr int64_t kOldestIR = 3, kNewestIR = onnx::IR_VERSION;
constexpr uint64_t kMostNodes = 250'000;

GraphImporter::GraphImporter(MLIRContext *context, ModelFile &file, InputTypes &inputs)
    : context(context), file(file), inputTypes(inputs), tensors(context, file), opBuilder(context) {}

//===-- The model -------------------------------------------------------------------------------------------------===//

static DictionaryAttr metadataOf(const onnx::ModelProto &model, int64_t opset, Builder &builder) {
  llvm::StringMap<StringRef> properties;
  for (const onnx::StringStringEntryProto &entry : model.metadata_props())
    properties[entry.key()] = entry.value();
  NamedAttrList extra;
  for (const auto &entry : properties)
    if (!entry.getKey().empty())
      extra.append(entry.getKey(), builder.getStringAttr(entry.second));
  NamedAttrList out;
  out.append("graph", builder.getStringAttr(model.graph().name()));
  out.append("producer", builder.getStringAttr(model.producer_name()));
  out.append("producer_version", builder.getStringAttr(model.producer_version()));
  out.append("ir_version", builder.getI64IntegerAttr(model.ir_version()));
  out.append("opset", builder.getI64IntegerAttr(opset));
  out.append("properties", extra.getDictionary(builder.getContext()));
  return out.getDictionary(builder.getContext());
}

/// Shape arithmetic leaves constants and chains that nothing reads any more.
static void eraseUnused(Block &block) {
  for (Operation &op : llvm::make_early_inc_range(llvm::reverse(block)))
    if (isOpTriviallyDead(&op))
      op.erase();
}

/// Functions that were imported on trial, and those that they call.
static void eraseUncalled(ModuleOp module) {
  bool anyErased = true;
  while (anyErased) {
    llvm::DenseSet<StringAttr> called;
    module.walk([&](Operation *op) {
      for (NamedAttribute attribute : op->getAttrs())
        if (auto callee = dyn_cast<FlatSymbolRefAttr>(attribute.getValue()))
          called.insert(callee.getAttr());
    });
    anyErased = false;
    for (auto func : llvm::make_early_inc_range(module.getOps<func::FuncOp>()))
      if (func.isPrivate() && !called.contains(func.getSymNameAttr())) {
        func.erase();
        anyErased = true;
      }
  }
}

FailureOr<OwningOpRef<ModuleOp>> GraphImporter::import() {
  const onnx::ModelProto &model = file.model();
  Location unknown = UnknownLoc::get(context);
  if (model.ir_version() < kOldestIR || model.ir_version() > kNewestIR)
    return emitError(unknown) << "IR version " << model.ir_version() << " is not supported; " << kOldestIR << " to " << kNewestIR << " are";
  Scope scope;
  if (failed(readOpsets(model.opset_import(), scope, unknown)) || failed(addFunctions()) || failed(checkModel(model, context)) || failed(inputTypes.prepare(model.graph())))
    return failure();
  int64_t opset = scope.opsets.lookup("");

  OwningOpRef<ModuleOp> module = ModuleOp::create(unknown);
  opBuilder.setInsertionPointToStart(module->getBody());
  auto main = func::FuncOp::create(opBuilder, partLocation(context, model.graph().name()), "main", opBuilder.getFunctionType({}, {}));
  moduleBlock = module->getBody();
  scope.block = main.addEntryBlock();
  opBuilder.setInsertionPointToStart(scope.block);
  if (failed(addArguments(model.graph(), scope, main)) || failed(importBody(model.graph(), scope)))
    return failure();
  if (failed(addResults(model.graph(), scope, main)))
    return failure();
  if (!unsupported.empty())
    return emitError(unknown) << unsupported.table(opset);
  eraseUnused(main.getBody().front());
  eraseUncalled(*module);
  (*module)->setAttr("tenon.phase", opBuilder.getStringAttr("import"));
  (*module)->setAttr("tenon.source", metadataOf(model, opset, opBuilder));
  return module;
}

LogicalResult GraphImporter::readOpsets(const OpsetList &imports, Scope &scope, Location location) {
  for (const onnx::OperatorSetIdProto &import : imports)
    scope.opsets[canonicalDomain(import.domain())] = import.version();
  auto own = scope.opsets.find("");
  if (own == scope.opsets.end())
    return success();
  if (own->second < kOldestOpset || own->second > kNewestOpset)
    return emitError(location) << "opset " << own->second << " is not supported; " << kOldestOpset << " to " << kNewestOpset
                               << " are: convert the model with onnx.version_converter";
  return success();
}

//===-- Graphs and names ------------------------------------------------------------------------------------------===//

/// Operators whose result has the rank of their first input, whatever that is.
static bool keepsRank(StringRef op) {
  static const llvm::StringSet<> names{"Abs",        "Cast",        "CastLike",  "Ceil",     "Clip",      "Elu",     "Erf",        "Exp",  "Floor",
                                       "Gelu",       "HardSigmoid", "HardSwish", "Identity", "LeakyRelu", "Log",     "LogSoftmax", "Neg",  "Not",
                                       "Reciprocal", "Relu",        "Round",     "Sigmoid",  "Sign",      "Softmax", "Softplus",   "Sqrt", "Tanh"};
  return names.contains(op);
}

static void collectRanks(const onnx::GraphProto &graph, Scope &scope) {
  for (const auto *infos : {&graph.value_info(), &graph.output()})
    for (const onnx::ValueInfoProto &info : *infos)
      if (info.type().tensor_type().has_shape())
        scope.ranks[info.name()] = info.type().tensor_type().shape().dim_size();
  for (const onnx::NodeProto &node : llvm::reverse(graph.node())) // mostly in order; what is not is no worse than undeclared
    if (node.input_size() > 0 && node.output_size() == 1 && node.domain().empty() && keepsRank(node.op_type()))
      if (auto found = scope.ranks.find(node.output(0)); found != scope.ranks.end())
        scope.ranks.try_emplace(node.input(0), int64_t(found->second));
}

LogicalResult GraphImporter::importBody(const onnx::GraphProto &graph, Scope &scope) {
  for (const onnx::TensorProto &tensor : graph.initializer())
    if (scope.values.contains(tensor.name()) || !scope.initializers.try_emplace(tensor.name(), &tensor).second)
      return emitError(partLocation(context, tensor.name())) << "two initializers have the same name";
  if (graph.sparse_initializer_size() > 0)
    return emitError(partLocation(context, graph.sparse_initializer(0).values().name())) << "sparse initializers are not supported";
  for (const onnx::ValueInfoProto &info : graph.value_info())
    scope.declared[info.name()] = &info;
  collectRanks(graph, scope);
  return importNodes(graph.node(), scope, partLocation(context, graph.name()));
}

LogicalResult GraphImporter::importNodes(const NodeList &nodes, Scope &scope, Location location) {
  nodeCount += nodes.size();
  if (nodeCount > kMostNodes)
    return emitError(location) << "the model expands to more than " << kMostNodes << " nodes";
  std::string error;
  std::optional<SmallVector<int>> order = importOrder(nodes, error);
  if (!order)
    return emitError(location) << error;
  for (int i : *order)
    if (failed(importNode(nodes[i], scope)))
      return failure();
  return success();
}

LogicalResult GraphImporter::inlineBranch(const onnx::GraphProto &graph, Scope &outer, SmallVectorImpl<Value> &results,
                                          ArrayRef<std::pair<StringRef, Value>> inputs) {
  Scope scope;
  scope.outer = &outer;
  scope.block = outer.block;
  scope.prefix = outer.prefix;
  for (const auto &entry : outer.opsets)
    scope.opsets[entry.getKey()] = entry.second;
  for (auto [name, value] : inputs)
    scope.values[name] = value;
  if (failed(importBody(graph, scope)))
    return failure();
  return takeResults(graph, scope, results);
}

Value GraphImporter::constant(const onnx::TensorProto &tensor, Location location, StringRef name) {
  if (tensor.data_type() == onnx::TensorProto::STRING)
    return constantStrings(tensor, location);
  std::string error;
  ElementsAttr value = tensors.read(tensor, name, error);
  if (!value) {
    emitError(location) << "the tensor " << error;
    return {};
  }
  return nn::ConstantOp::create(opBuilder, location, value);
}

SmallVector<nn::Dim> GraphImporter::readSizes(Value value, Location location, StringRef what) {
  auto [entry, isNew] = sizesRead.try_emplace(value);
  if (!isNew)
    return entry->second;
  int64_t count = *nn::numElements(value.getType()).asConstant();
  std::string base = nodeName(location) + "." + what.str();
  SmallVector<StringRef> names;
  for (int64_t i = 0; i < count; ++i) {
    nn::Dim size = freshSize(count == 1 ? base : base + std::to_string(i));
    names.push_back(*size.asSymbol());
    entry->second.push_back(size);
  }
  if (count > 0)
    nn::ReadSizesOp::create(opBuilder, location, value, opBuilder.getStrArrayAttr(names));
  return entry->second;
}

void GraphImporter::require(const nn::SizeCondition &condition, Location location) {
  nn::Dim found = condition.left, expected = condition.right;
  std::string what = "the size " + found.str() + ", which must be " + expected.str();
  if (condition.mayBeOne) {
    // `expected` unless the size is 1, which it may be: 1 - |size - 1| is then 1, and at most 0 otherwise.
    nn::Dim isOne = found.min(nn::Dim::constant(context, 2) - found).max(nn::Dim::constant(context, 0));
    what += " or 1";
    expected = expected - (expected - 1) * isOne;
  }
  if (found.isOverflow() || expected.isOverflow()) // too complex to be written down
    return;
  bool isNew = required.insert({opBuilder.getInsertionBlock(), {found.attr(), expected.attr()}}).second;
  if (isNew && found != expected)
    nn::RequireOp::create(opBuilder, location, found.attr(), expected.attr(), opBuilder.getStringAttr(what), UnitAttr());
}

GraphImporter::Lookup GraphImporter::lookup(StringRef name, Scope &scope, Value &value) {
  Lookup found = lookupHere(name, scope, value);
  if (found != Lookup::Missing || !scope.outer)
    return found;
  found = lookup(name, *scope.outer, value);
  if (found == Lookup::Found && scope.body)
    scope.values[name] = value = value ? capture(value, *scope.body) : Value();
  return found;
}

GraphImporter::Lookup GraphImporter::lookupHere(StringRef name, Scope &scope, Value &value) {
  if (auto found = scope.values.find(name); found != scope.values.end()) {
    value = found->second;
    return Lookup::Found;
  }
  if (auto found = scope.withheld.find(name); found != scope.withheld.end()) {
    unsupported.add(*found->second.first, *found->second.second, ("its result '" + name + "' is not supported").str());
    scope.values[name] = value;
    return Lookup::Found;
  }
  if (scope.absent.contains(name))
    return Lookup::Absent;
  if (auto found = scope.initializers.find(name); found != scope.initializers.end()) {
    OpBuilder::InsertionGuard guard(opBuilder);
    opBuilder.setInsertionPointToEnd(scope.block);
    value = scope.values[name] = constant(*found->second, partLocation(context, name), name);
    return value ? Lookup::Found : Lookup::Failed;
  }
  return Lookup::Missing;
}

//===-- Nodes -----------------------------------------------------------------------------------------------------===//

LogicalResult GraphImporter::importNode(const onnx::NodeProto &node, Scope &scope) {
  Location location = nodeLocation(context, scope.prefix, node);
  SmallVector<Value> inputs, results(node.output_size());
  bool unknown = false;
  if (failed(resolveInputs(node, scope, location, inputs, unknown)))
    return failure();
  const onnx::FunctionProto *function = functionFor(node);
  LogicalResult imported = function ? callFunction(*function, node, scope, location, results)
                                    : importOperator(node, scope, location, inputs, unknown, results);
  return succeeded(imported) ? defineResults(node, scope, location, results) : failure();
}

LogicalResult GraphImporter::resolveInputs(const onnx::NodeProto &node, Scope &scope, Location location, SmallVectorImpl<Value> &inputs,
                                           bool &unknown) {
  for (const std::string &name : node.input()) {
    Value value;
    Lookup found = name.empty() ? Lookup::Absent : lookup(name, scope, value);
    if (found == Lookup::Failed)
      return failure();
    if (found == Lookup::Missing)
      return emitError(location) << "input '" << name << "' is neither a graph input nor an initializer, and no node produces it";
    unknown |= found == Lookup::Found && !value;
    inputs.push_back(value);
  }
  while (!inputs.empty() && !inputs.back() && !unknown)
    inputs.pop_back();
  return success();
}

std::string GraphImporter::refusal(const onnx::NodeProto &node, const Scope &scope) const {
  StringRef domain = canonicalDomain(node.domain());
  const OperatorTable &table = OperatorTable::get();
  const Operator *op = table.lookup(domain, node.op_type());
  if (!op && !table.knowsDomain(domain))
    return ("domain '" + domain + "' is unknown").str();
  if (!op)
    return "the operator is not implemented";
  if (!domain.empty())
    return "";
  auto opset = scope.opsets.find("");
  if (opset == scope.opsets.end())
    return "the model imports no opset of ONNX's own operators";
  if (opset->second < op->since)
    return "the operator came with opset " + std::to_string(op->since) + ", the model has " + std::to_string(opset->second);
  if (opset->second > op->until)
    return "the operator's last opset was " + std::to_string(op->until) + ", the model has " + std::to_string(opset->second);
  return "";
}

LogicalResult GraphImporter::importOperator(const onnx::NodeProto &node, Scope &scope, Location location, ArrayRef<Value> inputs, bool unknown,
                                            SmallVectorImpl<Value> &results) {
  std::string reason = refusal(node, scope);
  if (!reason.empty()) {
    unsupported.add(node, location, reason);
    return success();
  }
  if (unknown)
    return success(); // what feeds it is not supported; more cannot be said about the node itself
  const Operator &op = *OperatorTable::get().lookup(canonicalDomain(node.domain()), node.op_type());
  if (inputs.size() > size_t(op.maxInputs) || inputs.size() < size_t(op.minInputs))
    return emitError(location) << "the node has " << inputs.size() << " inputs; " << op.minInputs
                               << (op.maxInputs == kAnyNumber ? std::string(" or more") : " to " + std::to_string(op.maxInputs)) << " were expected";
  // A list of inputs has no gaps.
  size_t needed = op.maxInputs == kAnyNumber ? inputs.size() : size_t(op.minInputs);
  for (size_t i = 0; i < needed; ++i)
    if (!inputs[i])
      return emitError(location) << "input " << i << " is missing";
  bool takesAny = op.takesSequences || node.op_type() == "Identity";
  if (!takesAny && llvm::any_of(inputs, [](Value value) { return value && !isa<RankedTensorType>(value.getType()); })) {
    unsupported.add(node, location, "a sequence or an optional as input");
    return success();
  }
  bool hasStrings = llvm::any_of(inputs, [](Value value) { return value && isString(value); });
  if (hasStrings && !takesAny && !op.stringHandler) {
    unsupported.add(node, location, "strings as input");
    return success();
  }
  Node reader(*this, scope, node, scope.opsets.lookup(op.domain), location, inputs);
  (hasStrings && op.stringHandler ? op.stringHandler : op.handler)(reader);
  for (int i = 0; i < node.output_size() && !reader.failed(); ++i) {
    results[i] = reader.resultAt(i);
    if (!results[i])
      scope.withheld.try_emplace(node.output(i), &node, location);
  }
  return failure(reader.isInvalid());
}

Value GraphImporter::placeholder(StringRef name, const Scope &scope, Location location) {
  auto found = scope.declared.find(name);
  RankedTensorType type = found == scope.declared.end() ? RankedTensorType() : inputTypes.declaredType(*found->second);
  return type ? UnrealizedConversionCastOp::create(opBuilder, location, type, ValueRange()).getResult(0) : Value();
}

LogicalResult GraphImporter::defineResults(const onnx::NodeProto &node, Scope &scope, Location location, ArrayRef<Value> results) {
  for (auto [name, result] : llvm::zip_equal(node.output(), results)) {
    if (name.empty() || scope.withheld.contains(name))
      continue;
    Value value = result ? result : placeholder(name, scope, location);
    if (scope.initializers.contains(name) || !scope.values.try_emplace(name, value).second)
      return emitError(location) << "result '" << name << "' has the name of another tensor";
  }
  return success();
}

} // namespace tenon::importer
