// Tensor maps of kernels: how the unit that copies tiles of tensors (TMA, sm_90 and later) sees their buffers. A kernel's are an attribute of its function,
// set once memory is planned; they become parameters between its symbols and the number of tasks.
#pragma once
#include "dialects/kernel/Kernel.h"
#include "lib/Plan/TensorMap.h"
#include "lib/Target/Target.h"
#include "passes/6_codegen/cpu/KernelBuilder.h"

namespace tenon::gpu {

/// Sets those of a kernel that is about to be emitted.
void markTensorMaps(kernel::FuncOp func, const Target &target);
/// Empty where there are none.
llvm::SmallVector<plan::TensorMap> tensorMapsOf(kernel::FuncOp func);
/// The address of the one of that number, where a kernel is emitted: they stand between its symbols and the task.
mlir::Value tensorMapAt(cpu::KernelBuilder &b, size_t number);
/// How many parameters they are.
unsigned tensorMapCount(kernel::FuncOp func);

} // namespace tenon::gpu
