#include "lib/Importer/ModelCheck.h"
#include "lib/Importer/AttributeForm.h"
#include "lib/Importer/Locations.h"
#include "lib/Importer/OperatorSchemas.h"
#include "lib/Importer/Operators.h"

#include "llvm/ADT/DenseSet.h"
#include "llvm/ADT/StringSet.h"
#include "mlir/IR/Diagnostics.h"

namespace tenon::importer {
using namespace mlir;
using StringSet = llvm::StringSet<>;

namespace {
using Opsets = llvm::StringMap<int64_t>;

/// Names that a graph's nodes may read: its own, and those of the graphs around it.
struct Names {
  const Names *outer = nullptr;
  StringSet own;

  bool contains(StringRef name) const { return own.contains(name) || (outer && outer->contains(name)); }
};

class Checker {
public:
  Checker(const onnx::ModelProto &model, MLIRContext *context) : model(model), context(context) {
    for (const onnx::FunctionProto &function : model.functions())
      functions.insert({canonicalDomain(function.domain()), function.name()});
  }

  LogicalResult run() {
    if (failed(checkGraph(model.graph(), opsetsOf(model.opset_import()), nullptr)))
      return failure();
    isInFunction = true;
    for (const onnx::FunctionProto &function : model.functions())
      if (failed(checkFunction(function)))
        return failure();
    return success();
  }

private:
  template <typename List> static Opsets opsetsOf(const List &imports) {
    Opsets out;
    for (const onnx::OperatorSetIdProto &import : imports)
      out[canonicalDomain(import.domain())] = import.version();
    return out;
  }

  InFlightDiagnostic at(StringRef part) { return emitError(partLocation(context, part)); }

  LogicalResult checkGraph(const onnx::GraphProto &graph, const Opsets &opsets, const Names *outer) {
    Names names{outer, {}};
    for (const onnx::ValueInfoProto &input : graph.input())
      names.own.insert(input.name());
    for (const onnx::TensorProto &tensor : graph.initializer()) {
      if (tensor.name().empty())
        return at(graph.name()) << "an initializer has no name";
      names.own.insert(tensor.name());
      if (std::string problem = malformedTensor(tensor); !problem.empty())
        return at(tensor.name()) << problem;
    }
    for (const onnx::SparseTensorProto &tensor : graph.sparse_initializer())
      names.own.insert(tensor.values().name());
    if (failed(checkNodes(graph.node(), opsets, names)))
      return failure();
    for (const onnx::ValueInfoProto &output : graph.output())
      if (!names.contains(output.name()))
        return at(output.name()) << "the graph output is produced by no node";
    return success();
  }

  LogicalResult checkFunction(const onnx::FunctionProto &function) {
    StringSet inputs, outputs, attributes;
    auto twice = [&](StringRef what, StringRef name) { return at(function.name()) << "the function has two " << what << " '" << name << "'"; };
    for (const std::string &name : function.input())
      if (!inputs.insert(name).second)
        return twice("inputs", name);
    for (const std::string &name : function.output())
      if (!outputs.insert(name).second)
        return twice("outputs", name);
    for (const std::string &name : function.attribute())
      if (!attributes.insert(name).second)
        return twice("attributes", name);
    Names names{nullptr, std::move(inputs)};
    return checkNodes(function.node(), opsetsOf(function.opset_import()), names);
  }

  /// Nodes may stand in any order.
  template <typename Nodes> LogicalResult checkNodes(const Nodes &nodes, const Opsets &opsets, Names &names) {
    StringSet results;
    for (const onnx::NodeProto &node : nodes)
      for (const std::string &name : node.output()) {
        if (!name.empty() && names.own.contains(name))
          return emitError(nodeLocation(context, "", node)) << "result '" << name << "' has the name of another tensor";
        results.insert(name);
      }
    for (const auto &name : results)
      names.own.insert(name.getKey());
    for (const onnx::NodeProto &node : nodes)
      if (failed(checkNode(node, opsets, names)))
        return failure();
    return success();
  }

  LogicalResult checkNode(const onnx::NodeProto &node, const Opsets &opsets, const Names &names) {
    Location location = nodeLocation(context, "", node);
    for (const std::string &name : node.input())
      if (!name.empty() && !names.contains(name))
        return emitError(location) << "input '" << name << "' is neither a graph input nor an initializer, and no node produces it";
    if (std::string problem = malformedAttribute(node, isInFunction); !problem.empty())
      return emitError(location) << problem;
    StringRef domain = canonicalDomain(node.domain());
    bool isCall = functions.contains({domain, node.op_type()});
    if (!opsets.contains(domain) && (isCall || OperatorTable::get().knowsDomain(domain)))
      return emitError(location) << "the " << (isInFunction ? "function" : "model") << " imports no opset of "
                                 << (domain.empty() ? "ONNX's own operators" : ("the domain '" + domain + "'").str());
    if (std::string problem = isCall ? "" : schemaViolation(node, domain, opsets.lookup(domain)); !problem.empty())
      return emitError(location) << problem;
    for (const onnx::AttributeProto &attribute : node.attribute()) {
      if (attribute.has_g() && failed(checkGraph(attribute.g(), opsets, &names)))
        return failure();
      for (const onnx::GraphProto &graph : attribute.graphs())
        if (failed(checkGraph(graph, opsets, &names)))
          return failure();
    }
    return success();
  }

  const onnx::ModelProto &model;
  MLIRContext *context;
  llvm::DenseSet<std::pair<StringRef, StringRef>> functions; // domain and name
  bool isInFunction = false;
};
} // namespace

LogicalResult checkModel(const onnx::ModelProto &model, MLIRContext *context) { return Checker(model, context).run(); }

} // namespace tenon::importer
