// Functions by the special function units of a GPU: good enough for a result that is rounded to f16 or bf16.
#pragma once
#include "passes/6_codegen/cpu/KernelBuilder.h"

namespace tenon::gpu {

/// Whether `result` is of a half type and the target has the units.
bool hasHalfMath(const Target &target, mlir::Value result);
/// nn.gelu of f32 lanes: to 5e-4 of |x|.
mlir::Value emitHalfGelu(cpu::KernelBuilder &b, mlir::Value x, bool tanhForm);
/// nn.silu of f32 lanes: to 2.5e-4 of |x|. For results in f16 alone: EfficientNet-B0 in bf16, which was 9.6e-3 wrong, was 1.0e-2 wrong with it.
bool hasHalfSilu(const Target &target, mlir::Value result);
mlir::Value emitHalfSilu(cpu::KernelBuilder &b, mlir::Value x);

} // namespace tenon::gpu
