// One element of an elementwise op on constants. Private to the dialect's folders.
#pragma once
#include "dialects/nn/Known.h"

namespace tenon::nn {

/// Appends to `result` what `op` gives for element at[i] of each operands[i]. False if it is not known: an op that is not
/// exact, an expression whose sign or order cannot be proved, a division by zero, a number that does not fit.
bool evaluateElement(mlir::Operation *op, llvm::ArrayRef<Known> operands, llvm::ArrayRef<int64_t> at, Known &result);

/// A conversion to integers whose operand is arithmetic of exporters on sizes as floats: cast, scale, floor or ceil, cast.
/// As expressions, or null.
mlir::Attribute evaluateFloatSizes(CastOp cast);

} // namespace tenon::nn
