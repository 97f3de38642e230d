// Families of the CPU on a GPU: a thread for each of their tasks. Right, and slow; for what has no family of its own yet.
#pragma once
#include "passes/6_codegen/gpu/Families.h"

namespace tenon::gpu {

const KernelFamily &recurrentTasksFamily();

} // namespace tenon::gpu
