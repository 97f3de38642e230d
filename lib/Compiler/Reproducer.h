// What reproduces a failure of the compiler, in one file.
#pragma once
#include "lib/Target/Target.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/PassManager.h"

namespace tenon {

/// Makes a pipeline that fails or crashes write to `path` the module before the pass at fault, and that pass: for `tenon-opt --run-reproducer`.
/// The context then uses one thread. An empty path: nothing is written.
void writeOnFailure(mlir::PassManager &pm, llvm::StringRef path);

/// Does `work`; false where it crashed. With an empty path nobody wants to go on after a crash: then it ends the process.
bool survives(llvm::function_ref<void()> work, llvm::StringRef path);

/// After phase codegen failed or crashed: writes the first kernel that cannot be compiled alone, for `tenon-opt --codegen-emit-cpu`.
void writeFailingKernel(mlir::ModuleOp module, const Target &target, llvm::StringRef path);

/// The command that runs the reproducer at `path`; empty where none was written.
std::string reproducingCommand(llvm::StringRef path);

} // namespace tenon
