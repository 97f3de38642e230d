// nn.bitcast on registers.
#pragma once
#include "passes/6_codegen/cpu/Registers.h"

namespace tenon::cpu {

/// The bits of `x`, in the computation type of `from`, as a value of `to` in its computation type.
mlir::Value emitBitcast(Registers r, mlir::Value x, mlir::Type from, mlir::Type to);

} // namespace tenon::cpu
