// A kernel's schedule and what follows from it.
#pragma once
#include "dialects/kernel/Kernel.h"
#include "lib/Target/Target.h"
#include "mlir/IR/BuiltinOps.h"
#include <string>

namespace tenon::schedule {

/// The first choice of the first family that computes `func`; null if none does. `fromLibraries`: of a library that the target may call, where one does.
kernel::ScheduleAttr bestSchedule(kernel::FuncOp func, const Target &target, bool fromLibraries = false);

/// Every schedule that may be tried for `func`, `bestSchedule` first: behind it those of libraries, then those of its family, then those of other families
/// that compute it, without the general road where there is a better one.
void proposedSchedules(kernel::FuncOp func, const Target &target, llvm::SmallVectorImpl<kernel::ScheduleAttr> &out);

/// Marks arguments that every dispatch fills with a constant as `kernel.constant`; kernels that are called both ways are cloned, one for
/// each pattern. Returns how many clones it made; a second call changes nothing.
int64_t markConstants(mlir::ModuleOp module);

/// Identifies what a kernel computes, whatever its name and wherever it comes from: 32 hexadecimal digits, a hash of body, types and marks
/// of constants (`markConstants` first). A schedule and what follows from it do not count. Stable between runs and machines.
std::string signatureOf(kernel::FuncOp func);

/// Sets the schedule and what its family derives from it: tasks, workspace, which arguments the results may overwrite.
void setSchedule(kernel::FuncOp func, kernel::ScheduleAttr schedule, const Target &target);

/// Between the names of kernels in that of one that dispatches them all; no kernel's own name has it.
inline constexpr llvm::StringLiteral kPartSeparator = "$";

/// Gives argument `index` the packed type; the body reads it through kernel.unpack. What is passed must then be packed so.
void packArgument(kernel::FuncOp func, unsigned index, kernel::PackingAttr packing);

} // namespace tenon::schedule
