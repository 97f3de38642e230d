// Names and what they stand for, while a graph or a function's body is imported.
#pragma once
#include "llvm/ADT/StringMap.h"
#include "llvm/ADT/StringSet.h"
#include "mlir/IR/Location.h"
#include "mlir/IR/Value.h"
#include <optional>

namespace onnx {
class NodeProto;
class TensorProto;
class ValueInfoProto;
} // namespace onnx

namespace tenon::importer {

struct Scope {
  /// The graph around a branch; null for the main graph and for functions, which see nothing of their caller.
  Scope *outer = nullptr;
  /// Put before the names of nodes: where a function was called.
  std::string prefix;
  /// Opset version for each domain ("" is ai.onnx).
  llvm::StringMap<int64_t> opsets;
  /// A null value is the result of an unsupported node, of which no type is known.
  llvm::StringMap<mlir::Value> values;
  /// Results that their node's handler does not give, such as Dropout's mask: unsupported once something reads them.
  llvm::StringMap<std::pair<const onnx::NodeProto *, std::optional<mlir::Location>>> withheld;
  /// Inputs of a function that its caller leaves out.
  llvm::StringSet<> absent;
  /// Initializers that nothing has used yet.
  llvm::StringMap<const onnx::TensorProto *> initializers;
  llvm::StringMap<const onnx::ValueInfoProto *> declared;
};

} // namespace tenon::importer
