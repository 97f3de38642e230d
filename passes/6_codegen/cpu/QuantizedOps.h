// Elementwise ops to and on bytes.
#pragma once
#include "passes/6_codegen/cpu/KernelBuilder.h"

namespace tenon::cpu {

mlir::Value emitQuantize(KernelBuilder &b, nn::QuantizeOp op, mlir::Value x);
/// The numbers that a quantization stands for, in its steps: its byte less its zero point, without the byte.
mlir::Value emitSteps(KernelBuilder &b, nn::QuantizeOp op, mlir::Value x);
/// x / y of nn.div, exact, where `op` is a division by a constant that nn.quantize alone reads, on a GPU, in a few instructions; null for other ones.
mlir::Value emitSteps(KernelBuilder &b, nn::DivOp op, mlir::Value x);
mlir::Value emitLookup(KernelBuilder &b, nn::LookupOp op, mlir::Value x);

} // namespace tenon::cpu
