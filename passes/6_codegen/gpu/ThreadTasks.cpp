#include "passes/6_codegen/gpu/ThreadTasks.h"
#include "passes/6_codegen/cpu/LinearAttention.h"
#include "passes/6_codegen/cpu/Loops.h"
#include "passes/6_codegen/cpu/LoopsSequential.h"
#include "passes/6_codegen/cpu/Recurrence.h"
#include "passes/6_codegen/cpu/TopK.h"

using namespace mlir;

namespace tenon::gpu {

namespace {
class ThreadTasks final : public KernelFamily {
public:
  using Condition = bool (*)(kernel::FuncOp);
  ThreadTasks(StringRef name, const KernelFamily &inner, Condition condition = nullptr) : ownName(name), inner(inner), condition(condition) {}

  StringRef name() const override { return ownName; }
  bool matches(kernel::FuncOp func, const Target &target) const override { return (!condition || condition(func)) && inner.matches(func, target); }

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
  Condition condition; // of kernels that are computed so; null: all that `inner` matches
};
} // namespace

const KernelFamily &recurrenceTasksFamily() {
  static const ThreadTasks family("gpu.recurrence-tasks", cpu::recurrenceFamily());
  return family;
}

const KernelFamily &linearAttentionTasksFamily() {
  static const ThreadTasks family("gpu.linear-attention-tasks", cpu::linearAttentionFamily());
  return family;
}

const KernelFamily &topKTasksFamily() {
  static const ThreadTasks family("gpu.top-k-tasks", cpu::topKFamily());
  return family;
}

const KernelFamily &sequentialTasksFamily() {
  static const ThreadTasks family("gpu.sequential-tasks", cpu::loopsFamily(), [](kernel::FuncOp func) { return cpu::sequentialOp(func) != nullptr; });
  return family;
}

} // namespace tenon::gpu
