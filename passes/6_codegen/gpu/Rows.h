// Softmax, norms and reductions along rows: a warp for each row, a block, or a cluster of blocks.
#pragma once
#include "passes/6_codegen/gpu/Families.h"

namespace tenon::gpu {

/// Kernels with one softmax, norm or reduction along the last axes, or where they are few along others, or softmax along any, and elementwise ops
/// around it.
const KernelFamily &rowsFamily();

/// Whether what follows a reduction is element by element, and every result of its shape: views could ask for the same sums again and again.
bool isElementwiseAfter(kernel::FuncOp func, mlir::Operation *anchor);

} // namespace tenon::gpu
