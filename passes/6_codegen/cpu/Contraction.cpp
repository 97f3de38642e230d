// The contraction family: matrix products and convolutions.
#include "passes/6_codegen/cpu/Contraction.h"
#include "passes/6_codegen/cpu/ContractionEmitter.h"
#include "passes/6_codegen/cpu/DotPairs.h"

namespace tenon::cpu {
using namespace mlir;

namespace {
class ContractionFamily : public KernelFamily {
public:
  StringRef name() const override { return "contraction"; }

  bool matches(kernel::FuncOp func, const Target &target) const override {
    std::optional<ContractionProblem> p = problemOn(func, target);
    if (p && (p->depth.isConstant(0) || p->columns.isConstant(0))) // panels of nothing
      return false;
    if (p && p->dot > 1 && !p->rhsConstant())
      return false;
    if (p && p->dot > 1 && !isa<BlockArgument>(kernel::viewOf(p->lhs).source) && !(p->bfloat && p->woven && Prologue::matches(p->lhs)))
      return false;
    if (!p || !supported(*p) || !Epilogue::matches(p->result))
      return false;
    if (!p->lhsReadable() && p->dot == 1 && !Prologue::matches(p->lhs))
      return false;
    if (!p->unpacked() && !isa<BlockArgument>(kernel::viewOf(p->rhs).source) && !(Prologue::matches(p->rhs) && p->depth.isConstant()))
      return false;
    if (p->unpacked() && p->unpacked().getPacking().getWinograd())
      return false;
    SmallVector<ContractionSchedule> found;
    listSchedules(*p, target, found, 1);
    return !found.empty();
  }

  void schedules(kernel::FuncOp func, const Target &target, SmallVectorImpl<kernel::ScheduleAttr> &out) const override {
    SmallVector<ContractionSchedule> found;
    listSchedules(*problemOn(func, target), target, found);
    for (const ContractionSchedule &s : found)
      out.push_back(s.attr(func.getContext()));
  }

  KernelPlan plan(kernel::FuncOp func, kernel::ScheduleAttr attr, const Target &target) const override {
    ContractionProblem p = *problemOn(func, target);
    ContractionSchedule s = ContractionSchedule::of(attr);
    KernelPlan plan;
    if (!validate(p, s, target).empty()) { // emit() says why
      plan.tasks = nn::Dim::constant(func.getContext(), 1);
      plan.overwrites.assign(func.getNumResults(), -1);
      return plan;
    }
    ContractionLayout layout(p, s, target);
    plan.tasks = layout.blocks.min(nn::Dim::constant(func.getContext(), s.rowTasks)) * s.columnTasks;
    plan.workspaceBytes = layout.totalBytes;
    kernel::PackingAttr packing = packingOf(p, s, target);
    if (packing && p.rhsArgument() && p.rhsConstant())
      plan.packings.push_back({p.rhsArgument().getArgNumber(), packing});
    for (unsigned i = 0; i < func.getNumResults(); ++i)
      plan.overwrites.push_back(func.getNumResults() == 1 ? p.overwritten() : -1);
    return plan;
  }

  LogicalResult emit(kernel::FuncOp func, kernel::ScheduleAttr attr, KernelBuilder &builder) const override {
    std::optional<ContractionProblem> p = problemOn(func, builder.target());
    if (!p)
      return func.emitError("the contraction family computes one nn.matmul or channels-last nn.conv");
    ContractionSchedule s = ContractionSchedule::of(attr);
    if (std::string why = validate(*p, s, builder.target()); !why.empty())
      return func.emitError("schedule ") << attr << " cannot compute this kernel: " << why;
    if (p->dot > 1 && !p->unpacked())
      return func.emitError("products of bytes read packed weights");
    if (kernel::UnpackOp unpack = p->unpacked()) {
      kernel::PackingAttr expected = packingOf(*p, s, builder.target());
      if (unpack.getPacking() != expected)
        return func.emitError("the weights are packed as ") << unpack.getPacking() << ", the schedule " << attr << " reads " << expected;
    }
    ContractionEmitter(builder, *p, s).emit();
    return success();
  }

  nn::Dim operations(kernel::FuncOp func) const override {
    ContractionProblem p = *ContractionProblem::of(func);
    return nn::product(func.getContext(), p.extents) * p.depth * (2 * p.dot * p.tapCount());
  }

private:
  static bool supported(const ContractionProblem &p) {
    for (Value operand : {p.lhs, p.rhs}) {
      Type element = cast<RankedTensorType>(operand.getType()).getElementType();
      if (!isa<Float16Type, BFloat16Type, Float32Type, Float64Type>(element) && !element.isInteger(32) && !element.isInteger(64) && p.dot == 1)
        return false;
    }
    return !p.bias || isa<BlockArgument>(kernel::viewOf(p.bias).source);
  }
};
} // namespace

const KernelFamily &contractionFamily() {
  static const ContractionFamily family;
  return family;
}

} // namespace tenon::cpu
