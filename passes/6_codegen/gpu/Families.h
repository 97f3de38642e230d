// The kernel families of GPUs.
#pragma once
#include "passes/6_codegen/cpu/LoopsEvaluator.h"

namespace tenon::gpu {

using cpu::BlockShape;
using cpu::Evaluator;
using cpu::Index;
using cpu::KernelBuilder;
using cpu::KernelFamily;
using cpu::KernelPlan;
using cpu::Place;
using cpu::Tensor;

constexpr int kFirstWithAsyncCopies = 80; // and with bf16 and tf32 on matrix units, which multiply f16 and bytes from sm_75 on

/// Bytes of shared memory that a block of a kernel may have.
int64_t sharedLimit(const Target &target);
/// Bytes of shared memory that the blocks of a multiprocessor share.
int64_t sharedOfMultiprocessor(const Target &target);

/// The most specific first; the last one is the general road.
llvm::ArrayRef<const KernelFamily *> families();

} // namespace tenon::gpu
