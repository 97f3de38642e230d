// Elementwise ops to and on bytes.
#pragma once
#include "passes/6_codegen/cpu/KernelBuilder.h"

namespace tenon::cpu {

mlir::Value emitQuantize(KernelBuilder &b, nn::QuantizeOp op, mlir::Value x);
/// The numbers that a quantization stands for, in its steps: its byte less its zero point, without the byte.
mlir::Value emitSteps(KernelBuilder &b, nn::QuantizeOp op, mlir::Value x);
/// x / y of nn.div, exact, where `op` is a division by a constant that nn.quantize alone reads, on a GPU, in a few instructions; null for other ones.
/// `isClamped`: what the quantization saturates is saturated before, NaN as well, so that the quotient has only to be rounded.
mlir::Value emitSteps(KernelBuilder &b, nn::DivOp op, mlir::Value x, bool isClamped = false);
/// SiLU of sums of integers that were scaled, on a GPU, to a few ulp; null for others.
mlir::Value emitSiluOfSums(KernelBuilder &b, nn::SiluOp op, mlir::Value x);
/// Bytes as f32, on a GPU and whole words of them at once; null otherwise. Conversions run at a fraction of the rate of sums there.
mlir::Value emitFromBytes(KernelBuilder &b, mlir::Value bytes, bool isUnsigned);
/// What emitFromBytes gave, less a zero point or times a constant, on a GPU: both as one instruction where that is exact; null for others.
mlir::Value emitWithBytes(KernelBuilder &b, mlir::Operation *op, mlir::Value x);
mlir::Value emitLookup(KernelBuilder &b, nn::LookupOp op, mlir::Value x);

} // namespace tenon::cpu
