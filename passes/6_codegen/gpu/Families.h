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

/// The most specific first; the last one is the general road.
llvm::ArrayRef<const KernelFamily *> families();

} // namespace tenon::gpu
