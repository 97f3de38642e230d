// Softmax, norms and reductions along rows: a warp for each row.
#pragma once
#include "passes/6_codegen/gpu/Families.h"

namespace tenon::gpu {

/// Kernels with one softmax, norm or reduction along the last axes, and elementwise ops around it. No parameters.
const KernelFamily &rowsFamily();

/// Whether what follows a reduction is element by element, and every result of its shape: views could ask for the same sums again and again.
bool isElementwiseAfter(kernel::FuncOp func, nn::ReduceOp reduce);

} // namespace tenon::gpu
