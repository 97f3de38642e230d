// Tensors whose innermost axis changes.
#pragma once
#include "passes/6_codegen/gpu/Families.h"

namespace tenon::gpu {

/// Kernels of one nn.transpose of memory, and elementwise ops after it, that reads and writes along different axes.
const KernelFamily &transposeFamily();

} // namespace tenon::gpu
