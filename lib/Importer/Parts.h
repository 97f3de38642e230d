// Values of ONNX that are not one tensor of numbers: sequences, optionals and strings. They exist while a model is imported only; what is left of them
// are the tensors that they consist of.
//
//   list of known tensors  a cast of them to a tuple
//   sequence               RunTimeSequences.h: data, shapes
//   optional               whether there is a value, a boolean, and the value; absent for certain: a cast of nothing to none; there for certain: the value itself
//   strings                Strings.h: bytes, starts, lengths; its type is a tensor of strings
#pragma once
#include "lib/Importer/Node.h"

namespace tenon::importer {

constexpr llvm::StringLiteral kSequenceType = "sequence", kOptionalType = "optional";

/// A value that stands for several, of the type that `name` says.
mlir::Value compound(Node &node, llvm::StringRef name, mlir::ValueRange parts);
/// The cast behind it; null for other values.
mlir::UnrealizedConversionCastOp compoundOf(mlir::Value value, llvm::StringRef name);
/// Whether a value is a tensor of numbers: nothing else is left of a model in the end.
bool isNumeric(mlir::Value value);
bool isSequence(mlir::Value value);
/// An optional that holds nothing, for certain.
bool isAbsent(mlir::Value value);
mlir::Value absent(Node &node);

/// What values have in common that are passed to functions and from them, where their parts must be known beforehand.
struct Form {
  bool isOptional = false, isSequence = false, isString = false;
  mlir::Type element;                                ///< null: that of an empty sequence, or of an optional that holds nothing
  std::optional<llvm::SmallVector<int64_t>> dims;    ///< of all tensors, or of the tensor: as RunTimeSequence::dims
  bool isNumeric() const { return !isOptional && !isSequence && !isString; }
  bool operator==(const Form &other) const = default;
};

Form formOf(mlir::Value value);
/// What ONNX's type says; the element is null for types that are not supported.
Form formOf(mlir::MLIRContext *context, const onnx::TypeProto &type);
/// The form that values of both can be passed in; none if there is none.
std::optional<Form> join(const Form &a, const Form &b);
/// The tensors of a value in a form that joins its own. Reports what cannot be had.
llvm::SmallVector<mlir::Value> partsOf(Node &node, mlir::Value value, const Form &form);
size_t partCount(const Form &form);
/// The value that `parts` make, which is in that form.
mlir::Value compose(Node &node, const Form &form, llvm::ArrayRef<mlir::Value> parts);

} // namespace tenon::importer
