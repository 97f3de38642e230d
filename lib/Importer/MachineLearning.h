// What the operators of ai.onnx.ml share. Their attributes are the model: lists of numbers.
#pragma once
#include "lib/Importer/Formula.h"

namespace tenon::importer {

/// A constant of floating-point type `element` from the numbers of an attribute.
mlir::Value realTensor(Node &node, llvm::ArrayRef<double> values, llvm::ArrayRef<int64_t> shape, mlir::Type element);
mlir::Value integerTensor(Node &node, llvm::ArrayRef<int64_t> values, llvm::ArrayRef<int64_t> shape);
/// The numbers of a list attribute, or of the tensor that the attribute `name` + "_as_tensor" holds; none: neither is there.
std::optional<llvm::SmallVector<double>> realsOrTensor(Node &node, llvm::StringRef name);
/// The numbers of an attribute that is a tensor; none where it is absent, or after a report.
std::optional<llvm::SmallVector<double>> tensorNumbers(Node &node, llvm::StringRef name);
/// The scores [batch, classes] after `post_transform`: NONE, LOGISTIC, SOFTMAX or SOFTMAX_ZERO.
mlir::Value transformedScores(Node &node, mlir::Value scores);
/// The type in which an operator computes that takes any numbers: f64 for f64, f32 otherwise.
mlir::Type realType(Node &node, size_t input);

} // namespace tenon::importer
