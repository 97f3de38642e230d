// Phase codegen for GPUs: every scheduled kernel to PTX, and all of them to the device images of a plan.
#pragma once
#include "lib/Target/ObjectCode.h"

namespace tenon::gpu {

/// Notes at every kernel what its launches in the plan.func have in common about the addresses of its buffers: vectors want to be aligned.
void markAlignments(mlir::ModuleOp module);

/// Compiles every kernel.func of `module`, in parallel on the context's threads. Errors are diagnostics at the kernel.
mlir::FailureOr<CodeImage> emitKernels(mlir::ModuleOp module, const Target &target);

} // namespace tenon::gpu
