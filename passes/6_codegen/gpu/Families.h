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

/// Bytes of shared memory that a block may have, on every architecture of such a kind; from sm_80 on two such blocks find room on most of them.
inline int64_t sharedLimit(const Target &target) {
  constexpr int64_t kTuring = 64 << 10, kOthers = 96 << 10;
  return target.computeCapability < kFirstWithAsyncCopies ? kTuring : kOthers;
}

/// The most specific first; the last one is the general road.
llvm::ArrayRef<const KernelFamily *> families();

} // namespace tenon::gpu
