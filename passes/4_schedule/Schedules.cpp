#include "passes/4_schedule/Schedules.h"
#include "passes/6_codegen/cpu/KernelFamily.h"

namespace tenon::schedule {
using namespace mlir;

kernel::ScheduleAttr bestSchedule(kernel::FuncOp func, const Target &target) {
  const cpu::KernelFamily *family = cpu::familyFor(func, target);
  if (!family)
    return {};
  SmallVector<kernel::ScheduleAttr> candidates;
  family->schedules(func, target, candidates);
  return candidates.empty() ? kernel::ScheduleAttr() : candidates.front();
}

void setSchedule(kernel::FuncOp func, kernel::ScheduleAttr schedule, const Target &target) {
  const cpu::KernelFamily *family = cpu::familyNamed(schedule.getFamily().getValue());
  cpu::KernelPlan plan = family->plan(func, schedule, target);
  func.setScheduleAttr(schedule);
  func.setTasksAttr(plan.tasks.attr());
  func.setWorkspaceBytes(plan.workspaceBytes);
  func.setOverwritesAttr(DenseI64ArrayAttr::get(func.getContext(), plan.overwrites));
}

} // namespace tenon::schedule
