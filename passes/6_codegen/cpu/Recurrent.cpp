#include "passes/6_codegen/cpu/Recurrent.h"
#include "passes/6_codegen/cpu/RecurrentEmitter.h"

namespace tenon::cpu {
using namespace mlir;

namespace {
/// Steps whose input products are held at once. Each block of steps passes over the weights of the inputs and so drives those of the recurrence
/// out of the L2; a quarter of it is for the products.
int64_t stepBlock(const RecurrentProblem &p, const Target &target) {
  constexpr int64_t kMost = 64, kLeast = 8, kFloatBytes = 4;
  int64_t bytes = RecurrentLayout::kGates * p.hidden * kFloatBytes;
  return std::clamp<int64_t>(target.l2Bytes / 4 / std::max<int64_t>(bytes, 1), kLeast,
                             std::clamp(p.steps.asConstant().value_or(kMost), kLeast, kMost));
}

class RecurrentFamily : public KernelFamily {
public:
  StringRef name() const override { return "recurrent"; }

  bool matches(kernel::FuncOp func, const Target &) const override { return RecurrentProblem::of(func).has_value(); }

  void schedules(kernel::FuncOp func, const Target &target, SmallVectorImpl<kernel::ScheduleAttr> &out) const override {
    int64_t steps = stepBlock(*RecurrentProblem::of(func), target);
    for (int64_t unroll : {2, 4, 8})
      for (int64_t block : {steps, 2 * steps, std::max<int64_t>(steps / 2, 1), std::max<int64_t>(steps / 4, 1)}) {
        RecurrentSchedule s;
        s.unroll = unroll;
        s.stepBlock = block;
        constexpr int64_t kSharesPerCore = 4;
        s.tasks = target.cores > 1 ? kSharesPerCore * target.cores : 1;
        out.push_back(s.attr(func.getContext()));
      }
  }

  KernelPlan plan(kernel::FuncOp func, kernel::ScheduleAttr attr, const Target &target) const override {
    RecurrentProblem p = *RecurrentProblem::of(func);
    RecurrentSchedule s = RecurrentSchedule::of(attr);
    RecurrentLayout layout(p, s, target);
    KernelPlan plan;
    plan.tasks = layout.units.min(nn::Dim::constant(func.getContext(), s.tasks));
    constexpr int64_t kFloatBytes = 4;
    plan.workspaceBytes = llvm::alignTo(layout.total * kFloatBytes, 64);
    for (auto [weight, depth] : {std::pair<Value, int64_t>(p.op.getWeight(), p.inputs), {p.op.getRecurrence(), p.hidden}})
      if (!RecurrentProblem::unpacked(weight) && packedAhead(weight, layout))
        plan.packings.push_back({cast<BlockArgument>(weight).getArgNumber(), layout.packing(p, depth)});
    plan.overwrites.assign(func.getNumResults(), -1);
    return plan;
  }

  LogicalResult emit(kernel::FuncOp func, kernel::ScheduleAttr attr, KernelBuilder &builder) const override {
    std::optional<RecurrentProblem> p = RecurrentProblem::of(func);
    if (!p)
      return func.emitError("the recurrent family computes one nn.lstm in f32 on views of arguments");
    RecurrentSchedule s = RecurrentSchedule::of(attr);
    RecurrentLayout layout(*p, s, builder.target());
    for (auto [weight, depth] : {std::pair<Value, int64_t>(p->op.getWeight(), p->inputs), {p->op.getRecurrence(), p->hidden}}) {
      kernel::UnpackOp unpack = RecurrentProblem::unpacked(weight);
      if (unpack && unpack.getPacking() != layout.packing(*p, depth))
        return func.emitError("the weights are packed as ") << unpack.getPacking() << ", the schedule reads " << layout.packing(*p, depth);
      if (!unpack && packedAhead(weight, layout))
        return func.emitError("constant weights have to be packed before code is emitted (schedule-pack-constants)");
    }
    RecurrentEmitter(builder, *p, s).emit();
    return success();
  }

  nn::Dim operations(kernel::FuncOp func) const override {
    RecurrentProblem p = *RecurrentProblem::of(func);
    return p.steps * p.batch * (2 * p.directions * RecurrentLayout::kGates * p.hidden * (p.inputs + p.hidden));
  }
};
} // namespace

const KernelFamily &recurrentFamily() {
  static const RecurrentFamily family;
  return family;
}

} // namespace tenon::cpu
