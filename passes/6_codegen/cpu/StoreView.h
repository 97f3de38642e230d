// Results that leave a kernel through transposes and reshapes, written to their place at once.
#pragma once
#include "dialects/kernel/Kernel.h"

namespace tenon::cpu {

/// Where the elements of a value of the body go: strides of its axes in result `result` of the kernel.
struct StoreView {
  unsigned result = 0;
  llvm::SmallVector<nn::Dim> strides;
};

/// The view through which the only user of `source` returns it, transposes and reshapes between them; none where it has other
/// users or the memory cannot be addressed by strides.
std::optional<StoreView> storeViewOf(mlir::Value source, kernel::FuncOp func);

} // namespace tenon::cpu
