// Graphs that become functions of their own: branches and bodies of loops.
#include "lib/Importer/GraphImporter.h"
#include "lib/Importer/Locations.h"
#include "lib/Importer/Parts.h"

#include "mlir/Interfaces/SideEffectInterfaces.h"

namespace tenon::importer {
using namespace mlir;

/// Constants are known within too; everything else is an argument.
Value GraphImporter::capture(Value value, BodyFunction &body) {
  Value &inside = body.inside[value];
  if (inside)
    return inside;
  OpBuilder::InsertionGuard guard(opBuilder);
  if (auto constant = value.getDefiningOp<nn::ConstantOp>()) {
    opBuilder.setInsertionPointToEnd(body.block);
    return inside = opBuilder.clone(*constant)->getResult(0);
  }
  if (auto list = value.getDefiningOp<UnrealizedConversionCastOp>(); list && !isNumeric(value)) {
    // A sequence, an optional or strings: their tensors are captured.
    SmallVector<Value> elements;
    for (Value element : list.getInputs())
      elements.push_back(capture(element, body));
    opBuilder.setInsertionPointToEnd(body.block);
    auto made = UnrealizedConversionCastOp::create(opBuilder, value.getLoc(), value.getType(), elements);
    made->setAttrs(list->getAttrs());
    return body.inside[value] = made.getResult(0);
  }
  body.captured.push_back(value);
  return inside = body.block->addArgument(value.getType(), value.getLoc());
}

FailureOr<GraphImporter::Body> GraphImporter::importBodyGraph(const onnx::GraphProto &graph, Scope &outer, Bindings values,
                                                              ArrayRef<std::pair<StringRef, ElementsAttr>> constants,
                                                              llvm::function_ref<void(ArrayRef<Value>, Scope &)> bind) {
  OpBuilder::InsertionGuard guard(opBuilder);
  Location location = partLocation(context, graph.name());
  opBuilder.setInsertionPointToEnd(moduleBlock);
  Body made;
  made.func = func::FuncOp::create(opBuilder, location, "body" + std::to_string(bodyCount++), opBuilder.getFunctionType({}, {}));
  made.func.setPrivate();
  BodyFunction function;
  function.block = made.func.addEntryBlock();
  opBuilder.setInsertionPointToEnd(function.block);
  Scope scope;
  scope.outer = &outer;
  scope.block = function.block;
  scope.body = &function;
  scope.prefix = outer.prefix;
  for (const auto &entry : outer.opsets)
    scope.opsets[entry.getKey()] = entry.second;
  SmallVector<Value> arguments;
  for (auto [name, type] : values)
    arguments.push_back(function.block->addArgument(type, location)); // all of them before what the body captures
  for (auto [binding, argument] : llvm::zip_equal(values, arguments))
    if (!binding.first.empty())
      scope.values[binding.first] = asDeclared(argument, binding.first, graph);
  if (bind)
    bind(arguments, scope);
  for (auto [name, value] : constants)
    if (!name.empty())
      scope.values[name] = asDeclared(nn::ConstantOp::create(opBuilder, location, value), name, graph);
  if (failed(importBody(graph, scope)) || failed(takeResults(graph, scope, made.results))) {
    dropBody(made);
    return failure();
  }
  made.captured = function.captured;
  return made;
}

/// Exporters may declare what is one number as a vector of one, and then treat it as such.
Value GraphImporter::asDeclared(Value value, StringRef name, const onnx::GraphProto &graph) {
  for (const onnx::ValueInfoProto &input : graph.input())
    if (input.name() == name && cast<RankedTensorType>(value.getType()).getRank() == 0 && input.type().tensor_type().has_shape() &&
        input.type().tensor_type().shape().dim_size() == 1)
      return opBuilder.createOrFold<nn::ReshapeOp>(value.getLoc(),
                                                   nn::tensorOf({nn::Dim::constant(context, 1)}, getElementTypeOrSelf(value.getType())), value,
                                                   nn::dimsAttr(context, ArrayRef<int64_t>{1}));
  return value;
}

LogicalResult GraphImporter::takeResults(const onnx::GraphProto &graph, Scope &scope, SmallVectorImpl<Value> &results) {
  for (const onnx::ValueInfoProto &output : graph.output()) {
    Value value;
    Lookup found = lookup(output.name(), scope, value);
    if (found == Lookup::Missing || found == Lookup::Absent)
      emitError(partLocation(context, output.name())) << "the output '" << output.name() << "' of a branch or a body is produced by no node";
    if (found != Lookup::Found)
      return failure();
    results.push_back(value);
  }
  return success();
}

void GraphImporter::finishBody(Body &body, ArrayRef<Value> results) {
  OpBuilder::InsertionGuard guard(opBuilder);
  Block &block = body.func.getBody().front();
  opBuilder.setInsertionPointToEnd(&block);
  func::ReturnOp::create(opBuilder, body.func.getLoc(), results);
  body.func.setFunctionType(opBuilder.getFunctionType(block.getArgumentTypes(), ValueRange(results).getTypes()));
  for (Operation &op : llvm::make_early_inc_range(llvm::reverse(block)))
    if (isOpTriviallyDead(&op))
      op.erase();
}

void GraphImporter::dropBody(Body &body) {
  // What was read within has no value any more; another value may come to lie at its address.
  for (auto entry = sizesRead.begin(); entry != sizesRead.end(); ++entry)
    if (entry->first.getParentBlock() == &body.func.getBody().front())
      sizesRead.erase(entry);
  required.clear(); // a block of another function may come to lie where this one was
  body.func.erase();
}

nn::Dim GraphImporter::freshSize(const Twine &name) {
  std::string base = name.str(), unique = base;
  for (int copy = 2; !sizeNames.insert(unique).second; ++copy)
    unique = base + "#" + std::to_string(copy);
  return nn::Dim::symbol(context, unique);
}

} // namespace tenon::importer
