// A kernel's schedule and what follows from it.
#pragma once
#include "dialects/kernel/Kernel.h"
#include "lib/Target/Target.h"

namespace tenon::schedule {

/// The first choice of the first family that computes `func`; null if none does.
kernel::ScheduleAttr bestSchedule(kernel::FuncOp func, const Target &target);

/// Sets the schedule and what its family derives from it: tasks, workspace, which arguments the results may overwrite.
void setSchedule(kernel::FuncOp func, kernel::ScheduleAttr schedule, const Target &target);

/// Gives argument `index` the packed type; the body reads it through kernel.unpack. What is passed must then be packed so.
void packArgument(kernel::FuncOp func, unsigned index, kernel::PackingAttr packing);

} // namespace tenon::schedule
