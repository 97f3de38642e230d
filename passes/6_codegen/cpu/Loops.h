// The general road: every kernel whose results can be computed element by element.
#pragma once
#include "passes/6_codegen/cpu/KernelFamily.h"

namespace tenon::cpu {

/// Whether the general road computes `func`; what fusion asks before it forms a kernel that no other family takes. It does not
/// where an op is unknown, or where a reduction would be computed again for every element of another one: such bodies
/// must be split.
bool canCompute(kernel::FuncOp func);

class LoopsFamily : public KernelFamily {
public:
  llvm::StringRef name() const override { return "loops"; }
  bool matches(kernel::FuncOp func, const Target &target) const override;
  void schedules(kernel::FuncOp func, const Target &target, llvm::SmallVectorImpl<kernel::ScheduleAttr> &out) const override;
  KernelPlan plan(kernel::FuncOp func, kernel::ScheduleAttr schedule, const Target &target) const override;
  llvm::LogicalResult emit(kernel::FuncOp func, kernel::ScheduleAttr schedule, KernelBuilder &builder) const override;
  nn::Dim operations(kernel::FuncOp func) const override;
};

} // namespace tenon::cpu
