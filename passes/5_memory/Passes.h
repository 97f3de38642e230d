// Phase memory: views, in-place results, one arena.
#pragma once
#include "lib/Target/Target.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/Pass.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Pass/PassOptions.h"
#include "mlir/Pass/PassRegistry.h"

namespace tenon::memory {

#define GEN_PASS_DECL
#include "passes/5_memory/Passes.h.inc"

std::unique_ptr<mlir::Pass> createBufferize(const Target &target);
std::unique_ptr<mlir::Pass> createMergeLaunches(const Target &target);

void buildMemoryPipeline(mlir::OpPassManager &pm, const Target &target);

#define GEN_PASS_REGISTRATION
#include "passes/5_memory/Passes.h.inc"

} // namespace tenon::memory
