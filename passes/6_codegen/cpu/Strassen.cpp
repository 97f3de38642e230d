// The Strassen family.
#include "passes/6_codegen/cpu/Strassen.h"
#include "passes/6_codegen/cpu/StrassenEmitter.h"

namespace tenon::cpu {
using namespace mlir;

namespace {
class StrassenFamily final : public KernelFamily {
public:
  StringRef name() const override { return "strassen"; }

  bool matches(kernel::FuncOp func, const Target &target) const override {
    std::optional<ContractionProblem> p = strassenProblem(func);
    if (!p || !Epilogue::matches(p->result) || !Prologue::matches(p->lhs))
      return false;
    if (p->bias && !isa<BlockArgument>(kernel::viewOf(p->bias).source))
      return false;
    SmallVector<StrassenSchedule> found;
    listSchedules(*p, target, found);
    return !found.empty();
  }

  void schedules(kernel::FuncOp func, const Target &target, SmallVectorImpl<kernel::ScheduleAttr> &out) const override {
    SmallVector<StrassenSchedule> found;
    listSchedules(*strassenProblem(func), target, found);
    for (const StrassenSchedule &s : found)
      if (kernel::ScheduleAttr attr = s.attr(func.getContext()); !llvm::is_contained(out, attr))
        out.push_back(attr);
  }

  KernelPlan plan(kernel::FuncOp func, kernel::ScheduleAttr attr, const Target &target) const override {
    KernelPlan plan;
    std::optional<ContractionProblem> p = strassenProblem(func);
    StrassenSchedule s = StrassenSchedule::of(attr);
    if (!p || !validate(*p, s, target).empty()) { // emit() says why
      plan.tasks = nn::Dim::constant(func.getContext(), 1);
      plan.overwrites.assign(func.getNumResults(), -1);
      return plan;
    }
    StrassenLayout layout(*p, s, target);
    plan.tasks = nn::Dim::constant(func.getContext(), std::min(layout.blocks, s.rowTasks) * s.columnTasks);
    plan.workspaceBytes = layout.totalBytes;
    if (BlockArgument weights = p->rhsArgument())
      plan.packings.push_back({weights.getArgNumber(), packingOf(*p, s, target)});
    plan.overwrites.assign(func.getNumResults(), func.getNumResults() == 1 ? p->overwritten() : -1);
    return plan;
  }

  LogicalResult emit(kernel::FuncOp func, kernel::ScheduleAttr attr, KernelBuilder &builder) const override {
    std::optional<ContractionProblem> p = strassenProblem(func);
    if (!p)
      return func.emitError("the strassen family computes one nn.matmul of known size with constant f32 weights");
    StrassenSchedule s = StrassenSchedule::of(attr);
    if (std::string why = validate(*p, s, builder.target()); !why.empty())
      return func.emitError("schedule ") << attr << " cannot compute this kernel: " << why;
    kernel::UnpackOp unpack = p->unpacked();
    kernel::PackingAttr expected = packingOf(*p, s, builder.target());
    if (!unpack || unpack.getPacking() != expected)
      return func.emitError("the schedule ") << attr << " reads weights packed as " << expected;
    StrassenEmitter(builder, *p, s).emit();
    return success();
  }

  nn::Dim operations(kernel::FuncOp func) const override {
    ContractionProblem p = *ContractionProblem::of(func);
    return nn::product(func.getContext(), p.extents) * p.depth * 2;
  }
};
} // namespace

const KernelFamily &strassenFamily() {
  static const StrassenFamily family;
  return family;
}

} // namespace tenon::cpu
