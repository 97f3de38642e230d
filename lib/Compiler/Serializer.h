// From the plan dialect and machine code to the bytes of a plan file.
#pragma once
#include "dialects/plan/Plan.h"
#include "lib/Target/ObjectCode.h"
#include "lib/Target/Target.h"
#include "mlir/IR/BuiltinOps.h"

namespace tenon {

/// A module after plan-pack-arena, the code of its kernels, and what both are for.
struct CompiledModule {
  mlir::ModuleOp module;
  const CodeImage &code;
  const Target &target;
};

/// Serializes the `plan.func` of a module, to the file `path` or, where that is empty, to memory; further modules become variants of the plan.
/// Equal modules and code give equal bytes. Errors are diagnostics, at the op that cannot be expressed where there is one.
mlir::FailureOr<std::vector<std::byte>> serializePlan(llvm::ArrayRef<CompiledModule> modules, llvm::StringRef path = {});

/// Names of the model's nodes behind a location: every `NameLoc("node"("OnnxOp"))` in it, in order, without repetition.
std::vector<std::string> sourceNames(mlir::Location location);

} // namespace tenon
