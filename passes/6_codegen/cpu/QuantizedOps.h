// Elementwise ops to and on bytes.
#pragma once
#include "passes/6_codegen/cpu/KernelBuilder.h"

namespace tenon::cpu {

mlir::Value emitQuantize(KernelBuilder &b, nn::QuantizeOp op, mlir::Value x);
mlir::Value emitLookup(KernelBuilder &b, nn::LookupOp op, mlir::Value x);

} // namespace tenon::cpu
