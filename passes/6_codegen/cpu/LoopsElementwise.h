// Kernels that are elementwise throughout: one nest over axes merged as far as the memory of all operands allows.
#pragma once
#include "passes/6_codegen/cpu/KernelBuilder.h"

namespace tenon::cpu {

/// Whether every op of the body is elementwise or a view, every operand is an argument seen through strides (or a splat
/// constant), and all results have one shape.
bool isElementwiseKernel(kernel::FuncOp func);
/// Emits such a kernel; the tasks share it.
void emitElementwiseKernel(KernelBuilder &b, kernel::FuncOp func, int64_t tasks);
/// For each result an argument that it may overwrite, or -1: one that is read only at the element that is written.
llvm::SmallVector<int64_t> elementwiseOverwrites(kernel::FuncOp func);

} // namespace tenon::cpu
