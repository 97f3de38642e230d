// The general road on a GPU: a thread for each element, or vector of elements, of the results.
#pragma once
#include "passes/6_codegen/gpu/Families.h"

namespace tenon::gpu {

/// It comes last in `families()`, and computes what cpu::canCompute says. Schedule: `threads` of a block, `lanes` at most.
const KernelFamily &generalRoadFamily();

} // namespace tenon::gpu
