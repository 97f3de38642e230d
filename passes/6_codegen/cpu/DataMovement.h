// Transposes and copies of rows at memory speed.
#pragma once
#include "passes/6_codegen/cpu/KernelFamily.h"

namespace tenon::cpu {

/// Kernels that move elements and may apply elementwise ops to them one by one: transposes in square blocks of registers,
/// concat, slice, pad, tile, gather, nearest-neighbour resize and depth_to_space as copies of contiguous runs.
class DataMovementFamily : public KernelFamily {
public:
  llvm::StringRef name() const override { return "data_movement"; }
  bool matches(kernel::FuncOp func, const Target &target) const override;
  void schedules(kernel::FuncOp func, const Target &target, llvm::SmallVectorImpl<kernel::ScheduleAttr> &out) const override;
  KernelPlan plan(kernel::FuncOp func, kernel::ScheduleAttr schedule, const Target &target) const override;
  llvm::LogicalResult emit(kernel::FuncOp func, kernel::ScheduleAttr schedule, KernelBuilder &builder) const override;
  nn::Dim operations(kernel::FuncOp func) const override;
};

} // namespace tenon::cpu
