// Phase codegen: every scheduled kernel to machine code.
#pragma once
#include "lib/Target/ObjectCode.h"
#include "lib/Target/Target.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/DialectRegistry.h"
#include "mlir/IR/OwningOpRef.h"

namespace tenon::kernel {
class FuncOp;
}

namespace tenon::cpu {

/// Dialects that emitted code uses, and their translations to LLVM IR.
void registerCodegenDialects(mlir::DialectRegistry &registry);

/// One kernel as its family emits it: a module with the body and the entry point, in scf, arith, vector and llvm.
mlir::FailureOr<mlir::OwningOpRef<mlir::ModuleOp>> emitKernel(kernel::FuncOp func, const Target &target);

/// Lowers such a module to the llvm dialect.
mlir::LogicalResult lowerKernel(mlir::ModuleOp module);

/// Compiles every kernel.func of `module` (all have schedules), in parallel on the context's threads, and links them.
/// Errors are diagnostics at the kernel.
mlir::FailureOr<CodeImage> emitKernels(mlir::ModuleOp module, const Target &target);

} // namespace tenon::cpu
