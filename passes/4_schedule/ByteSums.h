// How large sums of products of bytes can become: what guards Winograd's transforms of bytes.
#pragma once
#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/BuiltinOps.h"

namespace tenon::schedule {

/// The largest magnitude of any sum of products of bytes without a sign and the [K, ...] filter of signed bytes: of the K results, the one whose
/// weights of one sign have the largest sum, times 255. None where the filter's elements are not known.
std::optional<int64_t> largestByteSum(mlir::ElementsAttr filter);

/// Notes, as `kernel.largest_sum` at 3x3 filters of bytes, the largest sums with any of the constants that dispatches pass.
void markByteSums(mlir::ModuleOp module);

} // namespace tenon::schedule
