// Phase schedule: families, schedules, packed weights.
#pragma once
#include "lib/Target/Target.h"
#include "mlir/Pass/Pass.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Pass/PassOptions.h"
#include "mlir/Pass/PassRegistry.h"
#include <memory>

namespace tenon::schedule {

#define GEN_PASS_DECL
#include "passes/4_schedule/Passes.h.inc"

std::unique_ptr<mlir::Pass> createApplyTuning(const Target &target, llvm::StringRef cache, bool exactOrder = false);
std::unique_ptr<mlir::Pass> createAssignSchedules(const Target &target, bool exactOrder = false, bool fromLibraries = false);
std::unique_ptr<mlir::Pass> createPackConstants(const Target &target);

/// Assigns schedules, those of the tuning cache first where a file is given, and packs; the caller folds the packing of constants afterwards.
/// Libraries that the target may call compute what they can where there is no tuning cache, and with one what it says.
/// With `exactOrder` products keep their form: no Winograd transforms, no Strassen products.
void buildSchedulePipeline(mlir::OpPassManager &pm, const Target &target, llvm::StringRef tuningCache = {}, bool exactOrder = false);

#define GEN_PASS_REGISTRATION
#include "passes/4_schedule/Passes.h.inc"

} // namespace tenon::schedule
