// Bytes of an image that a convolution makes as it reads it.
#pragma once
#include "passes/6_codegen/gpu/Families.h"

namespace tenon::gpu {

/// What `program`, a scale by a constant that may be missing and nn.quantize without a sign, makes of an element of an image: a byte's value, as f32.
/// Exactly that of the ops one by one.
mlir::Value emitImageByte(KernelBuilder &b, llvm::ArrayRef<mlir::Operation *> program, mlir::Value x);

} // namespace tenon::gpu
