// Depthwise convolution, channels last: a few pixels of one row times one vector of channels, taps unrolled.
#pragma once
#include "passes/6_codegen/cpu/KernelFamily.h"

namespace tenon::cpu {

/// nn.conv with groups = input channels = output channels over one or two spatial axes, and what hangs below it.
/// Schedule: `pixels` of one step, `unroll_rows` of the window, `tasks` at most.
class DepthwiseFamily : public KernelFamily {
public:
  llvm::StringRef name() const override { return "depthwise"; }
  bool matches(kernel::FuncOp func, const Target &target) const override;
  void schedules(kernel::FuncOp func, const Target &target, llvm::SmallVectorImpl<kernel::ScheduleAttr> &out) const override;
  KernelPlan plan(kernel::FuncOp func, kernel::ScheduleAttr schedule, const Target &target) const override;
  llvm::LogicalResult emit(kernel::FuncOp func, kernel::ScheduleAttr schedule, KernelBuilder &builder) const override;
  nn::Dim operations(kernel::FuncOp func) const override;
};

} // namespace tenon::cpu
