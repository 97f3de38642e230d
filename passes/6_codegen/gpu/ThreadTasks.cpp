#include "passes/6_codegen/gpu/ThreadTasks.h"
#include "passes/6_codegen/cpu/Recurrent.h"

using namespace mlir;

namespace tenon::gpu {

namespace {
class ThreadTasks final : public KernelFamily {
public:
  ThreadTasks(StringRef name, const KernelFamily &inner) : ownName(name), inner(inner) {}

  StringRef name() const override { return ownName; }
  bool matches(kernel::FuncOp func, const Target &target) const override { return inner.matches(func, target); }

  void schedules(kernel::FuncOp func, const Target &target, SmallVectorImpl<kernel::ScheduleAttr> &out) const override {
    SmallVector<kernel::ScheduleAttr> own;
    inner.schedules(func, manyCores(target), own);
    for (kernel::ScheduleAttr schedule : own)
      out.push_back(renamed(schedule, ownName));
  }

  KernelPlan plan(kernel::FuncOp func, kernel::ScheduleAttr schedule, const Target &target) const override {
    KernelPlan plan = inner.plan(func, renamed(schedule, inner.name()), manyCores(target));
    constexpr int kThreads = 32; // tasks are few and long: as many blocks as possible
    plan.block = {kThreads, kThreads, 0};
    return plan;
  }

  LogicalResult emit(kernel::FuncOp func, kernel::ScheduleAttr schedule, KernelBuilder &builder) const override {
    return inner.emit(func, renamed(schedule, inner.name()), builder);
  }

  nn::Dim operations(kernel::FuncOp func) const override { return inner.operations(func); }

private:
  static kernel::ScheduleAttr renamed(kernel::ScheduleAttr schedule, StringRef name) {
    return kernel::ScheduleAttr::get(schedule.getContext(), StringAttr::get(schedule.getContext(), name), schedule.getParameters());
  }
  /// What is split among cores is split among threads here.
  static Target manyCores(Target target) {
    constexpr int kThreadsPerMultiprocessor = 8;
    target.cores *= kThreadsPerMultiprocessor;
    return target;
  }

  StringRef ownName;
  const KernelFamily &inner;
};
} // namespace

const KernelFamily &recurrentTasksFamily() {
  static const ThreadTasks family("gpu.recurrent-tasks", cpu::recurrentFamily());
  return family;
}

} // namespace tenon::gpu
