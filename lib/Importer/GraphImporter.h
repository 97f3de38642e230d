// Walks a model's graph, its branches and its functions; builds @main.
#pragma once
#include "dialects/nn/NN.h"
#include "dialects/nn/SizeConditions.h"
#include "lib/Importer/ModelFile.h"
#include "lib/Importer/OnnxProto.h"
#include "lib/Importer/Scope.h"
#include "lib/Importer/TensorData.h"
#include "lib/Importer/Unsupported.h"
#include "mlir/IR/Builders.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinOps.h"
#include <deque>

namespace tenon::importer {
class InputTypes;
class Node;

/// (x - zeroPoint) * scale; a null zero point is 0. The parameters broadcast to x.
struct Dequantized {
  mlir::Value x, scale, zeroPoint;
};

class GraphImporter {
public:
  GraphImporter(mlir::MLIRContext *context, ModelFile &file, InputTypes &inputs);

  /// The whole model. Diagnostics are emitted at nodes' and parts' locations.
  mlir::FailureOr<mlir::OwningOpRef<mlir::ModuleOp>> import();

  /// Imports a branch in place; its results are put in `results`, null for those of unsupported nodes. `inputs` are what its inputs stand for.
  mlir::LogicalResult inlineBranch(const onnx::GraphProto &graph, Scope &outer, llvm::SmallVectorImpl<mlir::Value> &results,
                                   llvm::ArrayRef<std::pair<llvm::StringRef, mlir::Value>> inputs = {});
  /// A graph as a function of its own: `values` are the names and types of its first arguments; what it captures comes behind them.
  struct Body {
    mlir::func::FuncOp func;
    llvm::SmallVector<mlir::Value> captured; // in the function around it
    llvm::SmallVector<mlir::Value> results;  // within; null for those of unsupported nodes
  };
  using Bindings = llvm::ArrayRef<std::pair<llvm::StringRef, mlir::Type>>;
  /// `constants` are names of inputs and what they always are; `bind` may name what it makes of the arguments. Without a return yet: see finishBody.
  mlir::FailureOr<Body> importBodyGraph(const onnx::GraphProto &graph, Scope &outer, Bindings values,
                                        llvm::ArrayRef<std::pair<llvm::StringRef, mlir::ElementsAttr>> constants = {},
                                        llvm::function_ref<void(llvm::ArrayRef<mlir::Value> arguments, Scope &scope)> bind = {});
  /// Gives the function its type and its return.
  void finishBody(Body &body, llvm::ArrayRef<mlir::Value> results);
  void dropBody(Body &body);
  /// A new symbol for a size.
  nn::Dim freshSize(const llvm::Twine &name);

  /// A tensor as an nn.constant; null after a diagnostic.
  mlir::Value constant(const onnx::TensorProto &tensor, mlir::Location location, llvm::StringRef name);

  /// Symbols for the elements of a tensor whose values only the run knows; the same ones for the same tensor.
  llvm::SmallVector<nn::Dim> readSizes(mlir::Value value, mlir::Location location, llvm::StringRef what);

  /// Has the run check what an op takes for granted of its sizes, once in a function.
  void require(const nn::SizeCondition &condition, mlir::Location location);
  /// A graph that stands for an operator's definition; it lives as long as the import.
  onnx::GraphProto &newGraph() { return graphs.emplace_back(); }

  mlir::OpBuilder &builder() { return opBuilder; }
  UnsupportedNodes &unsupportedNodes() { return unsupported; }

  /// Results of DequantizeLinear so far.
  llvm::DenseMap<mlir::Value, Dequantized> dequantized;

private:
  using NodeList = google::protobuf::RepeatedPtrField<onnx::NodeProto>;
  using OpsetList = google::protobuf::RepeatedPtrField<onnx::OperatorSetIdProto>;

  mlir::LogicalResult addFunctions();
  mlir::LogicalResult readOpsets(const OpsetList &imports, Scope &scope, mlir::Location location);
  // GraphInterface.cpp
  mlir::LogicalResult addArguments(const onnx::GraphProto &graph, Scope &scope, mlir::func::FuncOp main);
  mlir::LogicalResult addResults(const onnx::GraphProto &graph, Scope &scope, mlir::func::FuncOp main);
  mlir::Value constantStrings(const onnx::TensorProto &tensor, mlir::Location location);
  mlir::LogicalResult importBody(const onnx::GraphProto &graph, Scope &scope);
  mlir::LogicalResult importNodes(const NodeList &nodes, Scope &scope, mlir::Location location);
  mlir::LogicalResult importNode(const onnx::NodeProto &node, Scope &scope);
  /// `inputs` are null where the node leaves them out; `unknown` says that one stems from an unsupported node.
  mlir::LogicalResult resolveInputs(const onnx::NodeProto &node, Scope &scope, mlir::Location location,
                                    llvm::SmallVectorImpl<mlir::Value> &inputs, bool &unknown);
  mlir::LogicalResult importOperator(const onnx::NodeProto &node, Scope &scope, mlir::Location location,
                                     llvm::ArrayRef<mlir::Value> inputs, bool unknown, llvm::SmallVectorImpl<mlir::Value> &results);
  /// Why the operator cannot be imported at the scope's opset; empty if it can.
  std::string refusal(const onnx::NodeProto &node, const Scope &scope) const;
  const onnx::FunctionProto *functionFor(const onnx::NodeProto &node) const;
  mlir::LogicalResult callFunction(const onnx::FunctionProto &function, const onnx::NodeProto &node, Scope &scope,
                                   mlir::Location location, llvm::SmallVectorImpl<mlir::Value> &results);
  mlir::LogicalResult defineResults(const onnx::NodeProto &node, Scope &scope, mlir::Location location, llvm::ArrayRef<mlir::Value> results);

  enum class Lookup { Found, Absent, Missing, Failed };
  /// `value` stays null for the result of an unsupported node. Failed: after a diagnostic.
  Lookup lookup(llvm::StringRef name, Scope &scope, mlir::Value &value);
  Lookup lookupHere(llvm::StringRef name, Scope &scope, mlir::Value &value);
  mlir::LogicalResult takeResults(const onnx::GraphProto &graph, Scope &scope, llvm::SmallVectorImpl<mlir::Value> &results);
  mlir::Value asDeclared(mlir::Value value, llvm::StringRef name, const onnx::GraphProto &graph);
  /// What stands for a value of the function around `body` within it.
  mlir::Value capture(mlir::Value value, BodyFunction &body);
  /// Stands in for the result of an unsupported node where the model declares its type, so that the nodes after it are
  /// looked at too; null otherwise.
  mlir::Value placeholder(llvm::StringRef name, const Scope &scope, mlir::Location location);

  mlir::MLIRContext *context;
  ModelFile &file;
  InputTypes &inputTypes;
  TensorReader tensors;
  mlir::OpBuilder opBuilder;
  UnsupportedNodes unsupported;
  llvm::DenseMap<mlir::Value, llvm::SmallVector<nn::Dim>> sizesRead;
  llvm::StringSet<> sizeNames;
  llvm::DenseSet<std::pair<mlir::Block *, std::pair<mlir::Attribute, mlir::Attribute>>> required;
  mlir::Block *moduleBlock = nullptr;
  unsigned bodyCount = 0;
  std::deque<onnx::GraphProto> graphs;
  /// Keyed "domain\0name\0overload".
  llvm::StringMap<const onnx::FunctionProto *> functions;
  llvm::SmallVector<const onnx::FunctionProto *> activeCalls;
  /// Nodes imported so far: nested functions could expand without bound.
  uint64_t nodeCount = 0;
};

} // namespace tenon::importer
