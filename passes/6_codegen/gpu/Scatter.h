// Scatters: each block has some rows of the result.
#pragma once
#include "passes/6_codegen/gpu/Families.h"

namespace tenon::gpu {

/// Kernels of one scatter. No parameters.
const KernelFamily &scatterFamily();

} // namespace tenon::gpu
