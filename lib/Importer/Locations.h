// Where a node stands in its model: NameLoc("node name"(NameLoc("operator"))).
#pragma once
#include "mlir/IR/Location.h"
#include <string>

namespace onnx {
class NodeProto;
}

namespace tenon::importer {

/// "Conv", or "com.acme.MyPlugin" outside ONNX's own domain.
std::string operatorName(const onnx::NodeProto &node);
/// `prefix` names the function calls around the node. A node without a name takes its first result's.
mlir::Location nodeLocation(mlir::MLIRContext *context, llvm::StringRef prefix, const onnx::NodeProto &node);
/// A tensor, graph input or other named part that is no node.
mlir::Location partLocation(mlir::MLIRContext *context, llvm::StringRef name);
/// The node's name; empty for other locations.
std::string nodeName(mlir::Location location);
/// "at '/conv1/Conv' (Conv): " for a node, "'conv1.weight': " for a part, otherwise nothing.
std::string describe(mlir::Location location);
/// "" for ONNX's own domain, under both of its names.
llvm::StringRef canonicalDomain(llvm::StringRef domain);

} // namespace tenon::importer
