#include "passes/6_codegen/gpu/Recurrent.h"
#include "passes/6_codegen/cpu/Recurrence.h"
#include "passes/6_codegen/gpu/RecurrentEmitter.h"

namespace tenon::gpu {
using namespace mlir;

namespace {
class RecurrentFamily final : public KernelFamily {
public:
  StringRef name() const override { return "gpu.recurrent"; }

  bool matches(kernel::FuncOp func, const Target &target) const override {
    std::optional<RecurrentProblem> p = RecurrentProblem::of(func);
    SmallVector<kernel::ScheduleAttr> candidates;
    if (p)
      RecurrentShape::candidates(*p, target, candidates);
    return !candidates.empty();
  }

  void schedules(kernel::FuncOp func, const Target &target, SmallVectorImpl<kernel::ScheduleAttr> &out) const override {
    RecurrentShape::candidates(*RecurrentProblem::of(func), target, out);
  }

  KernelPlan plan(kernel::FuncOp func, kernel::ScheduleAttr schedule, const Target &target) const override {
    RecurrentProblem p = *RecurrentProblem::of(func);
    RecurrentShape shape = RecurrentShape::of(p, schedule, target);
    KernelPlan plan;
    plan.tasks = shape.tasks(p);
    plan.overwrites.assign(func.getNumResults(), -1);
    plan.block = {int(shape.threads()), 1, int(shape.sharedBytes(p)), int(shape.cluster), /*waits=*/true};
    return plan;
  }

  LogicalResult emit(kernel::FuncOp func, kernel::ScheduleAttr schedule, KernelBuilder &b) const override {
    std::optional<RecurrentProblem> p = RecurrentProblem::of(func);
    if (!p)
      return func.emitError("the recurrent family computes one nn.recurrence in f32 on views of arguments");
    RecurrentEmitter(b, *p, RecurrentShape::of(*p, schedule, b.target())).emit();
    return success();
  }

  nn::Dim operations(kernel::FuncOp func) const override {
    RecurrentProblem p = *RecurrentProblem::of(func);
    return nn::numElements(p.op.getGates().getType()) * (2 * p.hidden);
  }
};
} // namespace

const KernelFamily &recurrentFamily() {
  static const RecurrentFamily family;
  return family;
}

} // namespace tenon::gpu
