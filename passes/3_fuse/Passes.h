// Phase fuse: nn to kernel. Ops that are computed together become kernels; equal kernels are one.
#pragma once
#include "dialects/kernel/Kernel.h"
#include "lib/Target/Target.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Pass/Pass.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Pass/PassOptions.h"
#include "mlir/Pass/PassRegistry.h"

namespace tenon::fuse {

#define GEN_PASS_DECL
#include "passes/3_fuse/Passes.h.inc"
#define GEN_PASS_REGISTRATION
#include "passes/3_fuse/Passes.h.inc"

std::unique_ptr<mlir::Pass> createChainDepthwise(const Target &target);

struct FuseOptions {
  bool summary = false; // print how many dispatches there are, and of what
  /// A CPU: chains of convolutions become one kernel where that pays there. A GPU: so do the two products of squeeze-and-excitation. None: neither.
  std::optional<Target> target;
};

/// Adds the phase to a module's pass manager.
void buildFusePipeline(mlir::OpPassManager &manager, const FuseOptions &options);
/// `--fuse{summary=…}`.
void registerFusePipeline();

} // namespace tenon::fuse
