// One kernel of a model, compiled alone under one schedule after the other.
#pragma once
#include "dialects/kernel/Kernel.h"
#include "lib/Target/Target.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"

namespace tenon {

struct CandidatePlan {
  std::string path;    ///< of the plan file; empty if there is a problem
  std::string problem; ///< why it cannot be compiled
};

/// Compiles each schedule of `func` to a plan `folder`/NUMBER.plan, NUMBER counting from `firstNumber`, that runs just that kernel: its inputs
/// are what `dispatch` passes, except constants, which are in the plan as the schedule packs them. Candidates are compiled in parallel; their
/// constants are packed together, once for each layout. Diagnostics of a candidate are its problem.
std::vector<CandidatePlan> compileCandidates(kernel::FuncOp func, kernel::DispatchOp dispatch, llvm::ArrayRef<kernel::ScheduleAttr> schedules,
                                             const Target &target, llvm::StringRef folder, size_t firstNumber);

/// Runs the phases from schedule to plan on `module`, and writes the plan to `path`. `tuningCache` as in runPhase.
mlir::LogicalResult compileScheduled(mlir::ModuleOp module, const Target &target, llvm::StringRef path, llvm::StringRef tuningCache = {});

/// Frees the constants that compiling `module`, made from `original` and not used any more, has made: a context keeps them as long as it lives, and a
/// search compiles a network many times.
void releaseConstants(mlir::ModuleOp module, mlir::ModuleOp original);

} // namespace tenon
