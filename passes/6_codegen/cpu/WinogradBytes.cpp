// The Winograd family for bytes.
#include "passes/6_codegen/cpu/WinogradBytes.h"
#include "passes/6_codegen/cpu/WinogradBytesEmitter.h"

namespace tenon::cpu {
using namespace mlir;

namespace {
class WinogradBytesFamily final : public KernelFamily {
public:
  StringRef name() const override { return "winograd_bytes"; }

  bool matches(kernel::FuncOp func, const Target &target) const override {
    std::optional<ContractionProblem> p = winogradBytesProblem(func);
    if (!p || !Epilogue::matches(p->result) || (p->bias && !isa<BlockArgument>(kernel::viewOf(p->bias).source)))
      return false;
    SmallVector<WinogradBytesSchedule> found;
    listSchedules(*p, target, found);
    return !found.empty();
  }

  void schedules(kernel::FuncOp func, const Target &target, SmallVectorImpl<kernel::ScheduleAttr> &out) const override {
    SmallVector<WinogradBytesSchedule> found;
    listSchedules(*winogradBytesProblem(func), target, found);
    for (const WinogradBytesSchedule &s : found)
      out.push_back(s.attr(func.getContext()));
  }

  KernelPlan plan(kernel::FuncOp func, kernel::ScheduleAttr attr, const Target &target) const override {
    KernelPlan plan;
    std::optional<ContractionProblem> p = winogradBytesProblem(func);
    WinogradBytesSchedule s = WinogradBytesSchedule::of(attr);
    plan.overwrites.assign(func.getNumResults(), p && func.getNumResults() == 1 ? p->overwritten() : -1);
    if (!p || !validate(*p, s).empty()) { // emit() says why
      plan.tasks = nn::Dim::constant(func.getContext(), 1);
      return plan;
    }
    WinogradBytesLayout layout(*p, s, target);
    plan.tasks = layout.blocks.min(nn::Dim::constant(func.getContext(), s.tileTasks)) * s.columnTasks;
    plan.workspaceBytes = layout.totalBytes;
    if (BlockArgument filter = p->rhsArgument())
      plan.packings.push_back({filter.getArgNumber(), packingOf(*p, s, target)});
    return plan;
  }

  LogicalResult emit(kernel::FuncOp func, kernel::ScheduleAttr attr, KernelBuilder &builder) const override {
    std::optional<ContractionProblem> p = winogradBytesProblem(func);
    if (!p)
      return func.emitError("the winograd_bytes family computes one channels-last 3x3 nn.conv of bytes, of stride 1 or 2 with constant weights");
    WinogradBytesSchedule s = WinogradBytesSchedule::of(attr);
    if (std::string why = validate(*p, s); !why.empty())
      return func.emitError("schedule ") << attr << " cannot compute this kernel: " << why;
    kernel::UnpackOp unpack = p->unpacked();
    kernel::PackingAttr expected = packingOf(*p, s, builder.target());
    if (!unpack || unpack.getPacking() != expected)
      return func.emitError("the schedule ") << attr << " reads weights packed as " << expected;
    WinogradBytesEmitter(builder, *p, s).emit();
    return success();
  }

  nn::Dim operations(kernel::FuncOp func) const override {
    ContractionProblem p = *ContractionProblem::of(func);
    return nn::product(func.getContext(), p.extents) * p.depth * (2 * p.dot * p.tapCount());
  }
};
} // namespace

const KernelFamily &winogradBytesFamily() {
  static const WinogradBytesFamily family;
  return family;
}

} // namespace tenon::cpu
