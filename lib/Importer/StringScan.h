// Operators on strings that go through their bytes one after the other: a Scan of ONNX whose body is written here.
#pragma once
#include "lib/Importer/GraphImporter.h"
#include "lib/Importer/Node.h"

namespace tenon::importer {

onnx::NodeProto &addNode(onnx::GraphProto &graph, llvm::StringRef op, std::initializer_list<const char *> inputs, const char *output);
/// The empty body of a Scan over one input.
onnx::GraphProto &bodyOf(onnx::NodeProto &scan);
/// The result of a graph that stands for a step of the operator.
mlir::Value onlyResult(Node &node, const onnx::GraphProto &graph, llvm::ArrayRef<std::pair<llvm::StringRef, mlir::Value>> bindings);

} // namespace tenon::importer
