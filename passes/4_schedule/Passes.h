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

std::unique_ptr<mlir::Pass> createAssignSchedules(const Target &target);
std::unique_ptr<mlir::Pass> createPackConstants(const Target &target);

/// Assigns schedules and packs; the caller folds the packing of constants afterwards.
void buildSchedulePipeline(mlir::OpPassManager &pm, const Target &target);

#define GEN_PASS_REGISTRATION
#include "passes/4_schedule/Passes.h.inc"

} // namespace tenon::schedule
