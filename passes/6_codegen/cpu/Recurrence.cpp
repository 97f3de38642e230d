#include "passes/6_codegen/cpu/Recurrence.h"
#include "passes/6_codegen/cpu/RecurrenceEmitter.h"

namespace tenon::cpu {
using namespace mlir;

namespace {
class RecurrenceFamily final : public KernelFamily {
public:
  StringRef name() const override { return "recurrence"; }

  bool matches(kernel::FuncOp func, const Target &) const override {
    nn::RecurrenceOp op = singleOp<nn::RecurrenceOp>(func);
    if (!op)
      return false;
    Type element = cast<ShapedType>(op.getGates().getType()).getElementType();
    if (!element.isF32() && !element.isF64())
      return false;
    // Vectors of units are loaded from every operand but the lengths.
    return llvm::all_of(op->getOperands(), [&](Value operand) {
      kernel::View view = kernel::viewOf(operand);
      return operand == op.getLengths() || view.strides.empty() || view.strides.back().isConstant(1);
    });
  }

  void schedules(kernel::FuncOp func, const Target &target, SmallVectorImpl<kernel::ScheduleAttr> &out) const override {
    constexpr int64_t kSharesPerCore = 4;
    out.push_back(kernel::ScheduleAttr::get(func.getContext(), name(), {{"tasks", target.cores > 1 ? kSharesPerCore * target.cores : 1}}));
  }

  KernelPlan plan(kernel::FuncOp func, kernel::ScheduleAttr schedule, const Target &target) const override {
    RecurrenceLayout layout(singleOp<nn::RecurrenceOp>(func), target);
    MLIRContext *ctx = func.getContext();
    KernelPlan plan;
    plan.tasks = layout.units.min(nn::Dim::constant(ctx, std::max<int64_t>(schedule.get("tasks", 1), 1))).max(nn::Dim::constant(ctx, 1));
    plan.workspaceBytes = layout.bytes();
    plan.overwrites.assign(func.getNumResults(), -1);
    return plan;
  }

  LogicalResult emit(kernel::FuncOp func, kernel::ScheduleAttr, KernelBuilder &b) const override {
    RecurrenceEmitter(b, singleOp<nn::RecurrenceOp>(func), func).emit();
    return success();
  }

  nn::Dim operations(kernel::FuncOp func) const override {
    nn::RecurrenceOp op = singleOp<nn::RecurrenceOp>(func);
    return nn::numElements(op.getGates().getType()) * nn::dimOf(op.getRecurrence().getType(), 1) * 2;
  }
};
} // namespace

const KernelFamily &recurrenceFamily() {
  static const RecurrenceFamily family;
  return family;
}

} // namespace tenon::cpu
