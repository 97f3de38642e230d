// Families of the CPU on a GPU: a thread for each of their tasks. Right, and slow; for what has no family of its own yet.
#pragma once
#include "passes/6_codegen/gpu/Families.h"

namespace tenon::gpu {

const KernelFamily &recurrenceTasksFamily();
const KernelFamily &linearAttentionTasksFamily();
const KernelFamily &topKTasksFamily();
/// Kernels of one op that one thread, or a few, compute from begin to end: nn.nonzero, nn.sort_indices, nn.suppress.
const KernelFamily &sequentialTasksFamily();

} // namespace tenon::gpu
