// The order in which a kernel's blocks take its tasks. Of tensors larger than the L2 cache that holds what was written last: kernels walk them in
// turns forwards and backwards, so that each begins with what the one before ended with.
#pragma once
#include "passes/6_codegen/cpu/KernelBuilder.h"

namespace tenon::gpu {

/// A unit attribute of kernels whose tasks are taken from the last to the first.
constexpr llvm::StringLiteral kBackwardAttr = "tenon.backward";

/// Chooses among the kernels of `module` whose tensors are that large, in the order of their launches.
void markDirections(mlir::ModuleOp module);

/// Of blocks that stay: the tile that is the `number`th of `count`.
inline cpu::Index tileInOrder(cpu::KernelBuilder &b, cpu::Index number, cpu::Index count) {
  return b.kernelFunc()->hasAttr(kBackwardAttr) ? b.sub(b.sub(count, 1), number) : number;
}

} // namespace tenon::gpu
