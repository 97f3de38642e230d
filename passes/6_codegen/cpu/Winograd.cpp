// The Winograd family.
#include "passes/6_codegen/cpu/Winograd.h"
#include "passes/6_codegen/cpu/WinogradEmitter.h"

namespace tenon::cpu {
using namespace mlir;

namespace {
class WinogradFamily final : public KernelFamily {
public:
  StringRef name() const override { return "winograd"; }

  bool matches(kernel::FuncOp func, const Target &target) const override {
    std::optional<ContractionProblem> p = winogradProblem(func);
    if (!p || !Epilogue::matches(p->result) || !Prologue::matches(p->lhs))
      return false;
    if (p->bias && !isa<BlockArgument>(kernel::viewOf(p->bias).source))
      return false;
    SmallVector<WinogradSchedule> found;
    listSchedules(*p, target, found);
    return !found.empty();
  }

  void schedules(kernel::FuncOp func, const Target &target, SmallVectorImpl<kernel::ScheduleAttr> &out) const override {
    SmallVector<WinogradSchedule> found;
    listSchedules(*winogradProblem(func), target, found);
    for (const WinogradSchedule &s : found)
      out.push_back(s.attr(func.getContext()));
  }

  KernelPlan plan(kernel::FuncOp func, kernel::ScheduleAttr attr, const Target &target) const override {
    KernelPlan plan;
    std::optional<ContractionProblem> p = winogradProblem(func);
    WinogradSchedule s = WinogradSchedule::of(attr);
    if (!p || !validate(*p, s).empty()) { // emit() says why
      plan.tasks = nn::Dim::constant(func.getContext(), 1);
      plan.overwrites.assign(func.getNumResults(), -1);
      return plan;
    }
    WinogradLayout layout(*p, s, target);
    plan.tasks = layout.blocks.min(nn::Dim::constant(func.getContext(), s.tileTasks)) * s.columnTasks;
    plan.workspaceBytes = layout.totalBytes;
    if (BlockArgument filter = p->rhsArgument())
      plan.packings.push_back({filter.getArgNumber(), packingOf(*p, s, target)});
    plan.overwrites.assign(func.getNumResults(), func.getNumResults() == 1 ? p->overwritten() : -1);
    return plan;
  }

  LogicalResult emit(kernel::FuncOp func, kernel::ScheduleAttr attr, KernelBuilder &builder) const override {
    std::optional<ContractionProblem> p = winogradProblem(func);
    if (!p)
      return func.emitError("the winograd family computes one channels-last 3x3 nn.conv of stride 1 with constant f32 weights");
    WinogradSchedule s = WinogradSchedule::of(attr);
    if (std::string why = validate(*p, s); !why.empty())
      return func.emitError("schedule ") << attr << " cannot compute this kernel: " << why;
    kernel::UnpackOp unpack = p->unpacked();
    kernel::PackingAttr expected = packingOf(*p, s, builder.target());
    if (!unpack || unpack.getPacking() != expected)
      return func.emitError("the schedule ") << attr << " reads weights packed as " << expected;
    WinogradEmitter(builder, *p, s).emit();
    return success();
  }

  nn::Dim operations(kernel::FuncOp func) const override {
    ContractionProblem p = *ContractionProblem::of(func);
    return nn::product(func.getContext(), p.extents) * p.depth * (2 * p.tapCount());
  }
};
} // namespace

const KernelFamily &winogradFamily() {
  static const WinogradFamily family;
  return family;
}

} // namespace tenon::cpu
