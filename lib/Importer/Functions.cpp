// Model-local functions: each call is replaced by the function's body.
#include "lib/Importer/GraphImporter.h"
#include "lib/Importer/Locations.h"

namespace tenon::importer {
using namespace mlir;

constexpr size_t kDeepestCall = 64;

static std::string functionKey(StringRef domain, StringRef name, StringRef overload) {
  StringRef separator("\0", 1);
  return (canonicalDomain(domain) + separator + name + separator + overload).str();
}

LogicalResult GraphImporter::addFunctions() {
  for (const onnx::FunctionProto &function : file.model().functions())
    if (!functions.try_emplace(functionKey(function.domain(), function.name(), function.overload()), &function).second)
      return emitError(partLocation(context, function.name())) << "two functions of domain '" << function.domain() << "' have this name";
  return success();
}

const onnx::FunctionProto *GraphImporter::functionFor(const onnx::NodeProto &node) const {
  return functions.lookup(functionKey(node.domain(), node.op_type(), node.overload()));
}

using Attributes = llvm::StringMap<const onnx::AttributeProto *>;

/// Replaces references to the function's attributes by what the call gives them; an attribute that it leaves out goes.
static void substitute(onnx::NodeProto &node, const Attributes &given) {
  auto *attributes = node.mutable_attribute();
  for (int i = attributes->size(); i-- > 0;) {
    onnx::AttributeProto &attribute = (*attributes)[i];
    if (attribute.has_ref_attr_name() && !attribute.ref_attr_name().empty()) {
      const onnx::AttributeProto *value = given.lookup(attribute.ref_attr_name());
      std::string name = attribute.name();
      if (!value) {
        attributes->DeleteSubrange(i, 1);
        continue;
      }
      attribute = *value;
      attribute.set_name(name);
      continue;
    }
    if (attribute.has_g())
      for (onnx::NodeProto &inner : *attribute.mutable_g()->mutable_node())
        substitute(inner, given);
  }
}

LogicalResult GraphImporter::callFunction(const onnx::FunctionProto &function, const onnx::NodeProto &node, Scope &scope, Location location,
                                          SmallVectorImpl<Value> &results) {
  if (llvm::is_contained(activeCalls, &function))
    return emitError(location) << "the function '" << function.name() << "' calls itself";
  if (activeCalls.size() == kDeepestCall)
    return emitError(location) << "functions call each other deeper than " << kDeepestCall;
  if (node.input_size() > function.input_size() || node.output_size() > function.output_size())
    return emitError(location) << "the call has " << node.input_size() << " inputs and " << node.output_size() << " outputs; the function has "
                               << function.input_size() << " and " << function.output_size();
  Scope body;
  body.prefix = nodeName(location) + "/";
  body.block = scope.block;
  if (failed(readOpsets(function.opset_import(), body, location)))
    return failure();
  for (int i = 0; i < function.input_size(); ++i) {
    Value value;
    StringRef given = i < node.input_size() ? StringRef(node.input(i)) : StringRef();
    if (given.empty() || lookup(given, scope, value) != Lookup::Found)
      body.absent.insert(function.input(i));
    else
      body.values[function.input(i)] = value;
  }
  Attributes given;
  for (const onnx::AttributeProto &attribute : function.attribute_proto())
    given[attribute.name()] = &attribute;
  for (const onnx::AttributeProto &attribute : node.attribute())
    given[attribute.name()] = &attribute;
  for (const onnx::ValueInfoProto &info : function.value_info())
    body.declared[info.name()] = &info;
  NodeList nodes = function.node();
  for (onnx::NodeProto &inner : nodes)
    substitute(inner, given);

  activeCalls.push_back(&function);
  LogicalResult imported = importNodes(nodes, body, location);
  activeCalls.pop_back();
  if (failed(imported))
    return failure();
  for (int i = 0; i < node.output_size(); ++i)
    if (Lookup found = lookup(function.output(i), body, results[i]); found == Lookup::Missing || found == Lookup::Absent)
      return emitError(location) << "the function's output '" << function.output(i) << "' is produced by no node";
  return success();
}

} // namespace tenon::importer
