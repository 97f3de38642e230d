// A result shared out to threads: each computes one element, or a vector of neighbours along the last axis.
#pragma once
#include "passes/6_codegen/gpu/Families.h"

namespace tenon::gpu {

struct ThreadNest {
  llvm::SmallVector<nn::Dim> dims; // of the result
  int axis = -1;                   // of the lanes, the last one that is not 1; -1: none
  int lanes = 0;                   // 0: one element

  /// As many lanes, at most `most`, as divide the last axis: no thread has a remainder.
  static ThreadNest of(llvm::ArrayRef<nn::Dim> dims, int most);
  /// How many threads there are to be.
  nn::Dim threads(mlir::MLIRContext *context) const;
  /// Calls `body` with this thread's place, in a kernel whose tasks are threads and at least `threads()`. `isAll`: exactly that many.
  void emit(KernelBuilder &b, Evaluator &scopes, bool isAll, llvm::function_ref<void(const Place &)> body) const;
};

} // namespace tenon::gpu
