// Softmax, norms and reductions along rows: a warp for each row.
#pragma once
#include "passes/6_codegen/gpu/Families.h"

namespace tenon::gpu {

/// Kernels with one softmax, norm or reduction along the last axes, and elementwise ops around it. No parameters.
const KernelFamily &rowsFamily();

} // namespace tenon::gpu
