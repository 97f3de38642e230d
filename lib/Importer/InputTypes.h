// The types of a model's inputs: symbols for free dimensions, and the shapes that the user asks for.
#pragma once
#include "dialects/nn/Dim.h"
#include "lib/Importer/Importer.h"
#include "lib/Importer/OnnxProto.h"
#include "llvm/ADT/StringMap.h"

namespace tenon::importer {

class InputTypes {
public:
  InputTypes(mlir::MLIRContext *context, const ImportOptions &options) : context(context), options(options) {}

  /// Reads the options against the graph's inputs; a dimension that one input fixes is fixed for all that share it.
  mlir::LogicalResult prepare(const onnx::GraphProto &graph);
  /// The type of a tensor that input `name` is or holds, of elements of type `element`. A named free dimension becomes the symbol of its name,
  /// others `<input>.dim<i>`.
  mlir::FailureOr<mlir::RankedTensorType> typeOf(llvm::StringRef name, const onnx::TypeProto::Tensor &tensor, mlir::Type element);
  /// The declared type, with symbols; null where it is incomplete or no tensor of nn can have it.
  mlir::RankedTensorType declaredType(const onnx::ValueInfoProto &info);

private:
  using Shape = llvm::SmallVector<std::string>;
  mlir::LogicalResult bind(const onnx::ValueInfoProto &input, const Shape &wanted);
  nn::Dim declaredDim(const onnx::TensorShapeProto &shape, int axis, llvm::StringRef name);
  nn::Dim wantedDim(llvm::StringRef text);

  mlir::MLIRContext *context;
  const ImportOptions &options;
  llvm::StringMap<Shape> overrides; // by input
  llvm::StringMap<nn::Dim> bound;   // declared symbol to what the options make of it
};

} // namespace tenon::importer
