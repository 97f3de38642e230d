// Kernels that do not need each other in one launch: each computes blocks of its own beside the others'.
#pragma once
#include "passes/6_codegen/gpu/Families.h"

namespace tenon::gpu {

/// A kernel whose body dispatches others, each once, and returns what they give.
const KernelFamily &besideFamily();

/// What such a kernel dispatches, and which of its buffers (arguments, then results) each part gets.
struct BesidePart {
  kernel::FuncOp func;
  llvm::SmallVector<unsigned> buffers;
};
llvm::SmallVector<BesidePart> partsOf(kernel::FuncOp whole);

/// Blocks of a launch of a kernel of constant size.
int64_t blocksOf(const KernelPlan &plan);

/// Whether `func` may be a part: of constant size, with nothing but its buffers.
bool canBeBeside(kernel::FuncOp func, const Target &target);

/// A schedule like that of `func` whose blocks take at most `sharedBytes`, on the same operands; null where there is none.
kernel::ScheduleAttr slimmed(kernel::FuncOp func, const Target &target, int64_t sharedBytes);

} // namespace tenon::gpu
