// nn's elementwise ops on integers and booleans.
#pragma once
#include "passes/6_codegen/cpu/KernelBuilder.h"

namespace tenon::cpu {

/// Whether `op` is defined on integers or booleans.
bool isIntegerOp(mlir::Operation *op);

/// Emits `op` on registers of one length. Nothing traps: x / 0 and x mod 0 are 0, the smallest number / -1 wraps, a shift by the
/// width or more gives 0.
mlir::Value emitInteger(KernelBuilder &b, mlir::Operation *op, mlir::ValueRange operands, bool isUnsigned);

} // namespace tenon::cpu
