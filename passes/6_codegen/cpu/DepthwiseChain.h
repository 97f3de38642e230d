// Chains around a depthwise convolution, a row at a time: what is between the convolutions stays in the second-level cache.
#pragma once
#include "passes/6_codegen/cpu/KernelFamily.h"

namespace tenon::cpu {

/// Kernels of the form that ChainProblem.h shows. Each task computes some rows of the result from the top down. It keeps the rows of the expanded
/// image that the window is over: only at its first row it computes what another task has too.
const KernelFamily &depthwiseChainFamily();

} // namespace tenon::cpu
