// What follows a product or a convolution in its kernel, as far as libraries compute it with it.
#pragma once
#include "lib/Plan/LibraryCall.h"
#include "passes/6_codegen/cpu/ContractionProblem.h"

namespace tenon::gpu {

/// A bias, a tensor that is added, and an activation, in this order.
struct LibraryEnding {
  mlir::Value bias, added; // null where there is none
  plan::Activation activation = plan::Activation::None;
  float most = 0; // of Clip

  /// None where something else follows, or an activation that is not among `known`.
  static std::optional<LibraryEnding> of(const cpu::ContractionProblem &problem, llvm::ArrayRef<plan::Activation> known);

  /// The argument that the bias is, at most widened.
  mlir::BlockArgument biasArgument() const;
};

/// The argument that a value is a view of, at most widened; null for others.
mlir::BlockArgument widenedArgument(mlir::Value value);

/// f32, f16 or bf16.
bool isLibraryElement(mlir::Type type);
tn_dtype libraryDtype(mlir::Type element);

/// Bytes that divide the address of a kernel's buffer, once memory is planned; before, what buffers of their own have.
int64_t bufferAlignment(kernel::FuncOp func, unsigned buffer);

/// The numbers of sizes or strides; none where one is no constant.
std::optional<llvm::SmallVector<int64_t>> constantsOf(llvm::ArrayRef<nn::Dim> dims);

} // namespace tenon::gpu
