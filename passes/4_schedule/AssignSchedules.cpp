// Chooses the family and the schedule of every kernel.
#include "passes/4_schedule/ByteSums.h"
#include "passes/4_schedule/Passes.h"
#include "passes/PassTarget.h"
#include "passes/4_schedule/Schedules.h"
#include "passes/4_schedule/SplitShares.h"
#include "passes/4_schedule/StrassenErrors.h"
#include "passes/4_schedule/WinogradErrors.h"
#include "passes/6_codegen/cpu/KernelFamily.h"

namespace tenon::schedule {
#define GEN_PASS_DEF_ASSIGNSCHEDULES
#include "passes/4_schedule/Passes.h.inc"

namespace {
using namespace mlir;

class AssignSchedulesPass : public impl::AssignSchedulesBase<AssignSchedulesPass> {
public:
  using AssignSchedulesBase::AssignSchedulesBase;
  AssignSchedulesPass(const Target &target, bool keepOrder, bool chooseLibraries) : given(target) {
    targetName = target.name;
    exactOrder = keepOrder;
    fromLibraries = chooseLibraries;
  }

  void runOnOperation() override {
    FailureOr<Target> target = passTarget(getOperation(), given, targetName);
    if (failed(target))
      return signalPassFailure();
    split += markConstants(getOperation());
    markByteSums(getOperation());
    markSplitShares(getOperation(), *target);
    if (!exactOrder) {
      markWinogradErrors(getOperation());
      markStrassenErrors(getOperation());
    }
    for (auto func : getOperation().getOps<kernel::FuncOp>())
      if (failed(assign(func, *target)))
        signalPassFailure();
  }

private:
  LogicalResult assign(kernel::FuncOp func, const Target &target) {
    if (kernel::ScheduleAttr schedule = func.getScheduleAttr()) {
      const cpu::KernelFamily *family = cpu::familyNamed(schedule.getFamily().getValue());
      if (!family || !family->matches(func, target))
        return func.emitError("has a schedule of the family '") << schedule.getFamily().getValue() << "', which does not compute it";
      setSchedule(func, schedule, target);
      ++kept;
      return success();
    }
    kernel::ScheduleAttr schedule = bestSchedule(func, target, fromLibraries);
    if (!schedule)
      return func.emitError("no kernel family computes this combination of operations");
    setSchedule(func, schedule, target);
    ++scheduled;
    return success();
  }

  std::optional<Target> given;
};
} // namespace

std::unique_ptr<Pass> createAssignSchedules(const Target &target, bool exactOrder, bool fromLibraries) {
  return std::make_unique<AssignSchedulesPass>(target, exactOrder, fromLibraries);
}

} // namespace tenon::schedule
