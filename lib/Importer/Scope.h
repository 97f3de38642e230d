// Names and what they stand for, while a graph or a function's body is imported.
#pragma once
#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/ADT/StringSet.h"
#include "mlir/IR/Block.h"
#include "mlir/IR/Location.h"
#include "mlir/IR/Value.h"
#include <optional>

namespace onnx {
class NodeProto;
class TensorProto;
class ValueInfoProto;
} // namespace onnx

namespace tenon::importer {

/// A function of the module that a graph is imported into: a branch, or the body of a loop.
struct BodyFunction {
  mlir::Block *block = nullptr;
  /// Values of the graphs around it that it reads: its last arguments, in this order.
  llvm::SmallVector<mlir::Value> captured;
  llvm::DenseMap<mlir::Value, mlir::Value> inside;
};

struct Scope {
  /// The graph around a branch; null for the main graph and for functions, which see nothing of their caller.
  Scope *outer = nullptr;
  /// Where ops go.
  mlir::Block *block = nullptr;
  /// The function that this graph is imported into, where it is another one than that of the graph around it.
  BodyFunction *body = nullptr;
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
  /// Ranks as the graph declares them of values within and of outputs, and what follows for the inputs of operators that keep the rank.
  llvm::StringMap<int64_t> ranks;
};

} // namespace tenon::importer
