// Tensor maps of kernels: how the unit that copies tiles of tensors (TMA, sm_90 and later) sees their buffers. A kernel's are an attribute of its function,
// set once memory is planned; they become parameters between its symbols and the number of tasks.
#pragma once
#include "dialects/kernel/Kernel.h"
#include "lib/Plan/TensorMap.h"
#include "lib/Target/Target.h"

namespace tenon::gpu {

/// Sets those of a kernel that is about to be emitted.
void markTensorMaps(kernel::FuncOp func, const Target &target);
/// Empty where there are none.
llvm::SmallVector<plan::TensorMap> tensorMapsOf(kernel::FuncOp func);
/// How many parameters they are.
unsigned tensorMapCount(kernel::FuncOp func);

} // namespace tenon::gpu
