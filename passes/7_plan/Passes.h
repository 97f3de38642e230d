// Phase plan.
#pragma once
#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/Pass.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Pass/PassOptions.h"
#include "mlir/Pass/PassRegistry.h"

namespace tenon::plan {
#define GEN_PASS_DECL
#include "passes/7_plan/Passes.h.inc"
#define GEN_PASS_REGISTRATION
#include "passes/7_plan/Passes.h.inc"
} // namespace tenon::plan
