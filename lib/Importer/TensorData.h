// TensorProto to MLIR attributes.
#pragma once
#include "lib/Importer/ModelFile.h"
#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/BuiltinTypes.h"
#include <string>

namespace tenon::importer {

/// The element type of an onnx.TensorProto.DataType; null for types that no tensor of nn can have (strings, complex
/// numbers). Signed integers are signless (i8), unsigned ones unsigned (ui8), booleans i1.
mlir::Type elementType(mlir::MLIRContext *context, int32_t dataType);
/// ONNX's name of a DataType: "FLOAT16"; "7777" if it has none.
std::string dataTypeName(int32_t dataType);

class TensorReader {
public:
  TensorReader(mlir::MLIRContext *context, ModelFile &file) : context(context), file(file) {}

  /// A `dense` attribute for up to 1 KB, otherwise a resource named `w<n>.<name>` whose blob is the mapped file: its
  /// bytes need not be aligned to the element (the blob says how they are), so read them with memcpy. Elements of less than a
  /// byte are unpacked to one each. Null with `error`
  /// set if the tensor is ill-formed. Allocates nothing that the model's bytes do not back.
  mlir::ElementsAttr read(const onnx::TensorProto &tensor, llvm::StringRef name, std::string &error);

private:
  /// `elements` elements, one or more bytes each.
  std::optional<SharedBytes> bytesOf(const onnx::TensorProto &tensor, uint64_t elements, mlir::Type element, std::string &error);
  std::optional<SharedBytes> bytesOf(const onnx::TensorProto &tensor, uint64_t elements, unsigned elementBytes, std::string &error);
  mlir::ElementsAttr asResource(mlir::RankedTensorType type, const SharedBytes &data, llvm::StringRef name);

  mlir::MLIRContext *context;
  ModelFile &file;
  unsigned resources = 0;
};

} // namespace tenon::importer
