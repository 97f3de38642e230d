// Softmax, layer_norm and rms_norm over rows that lie contiguously: a row is read once and stays in the first cache.
#pragma once
#include "passes/6_codegen/cpu/KernelFamily.h"

namespace tenon::cpu {

/// One softmax over the last axis, or one layer_norm or rms_norm over the last axis, with any elementwise ops, views and gathers
/// before and after it whose results have the anchor's shape. Schedule: `tasks` at most; `keep` (0 or 1): keep the
/// row's intermediate values in memory instead of computing them again.
class RowReductionFamily : public KernelFamily {
public:
  llvm::StringRef name() const override { return "row_reduction"; }
  bool matches(kernel::FuncOp func, const Target &target) const override;
  void schedules(kernel::FuncOp func, const Target &target, llvm::SmallVectorImpl<kernel::ScheduleAttr> &out) const override;
  KernelPlan plan(kernel::FuncOp func, kernel::ScheduleAttr schedule, const Target &target) const override;
  llvm::LogicalResult emit(kernel::FuncOp func, kernel::ScheduleAttr schedule, KernelBuilder &builder) const override;
  nn::Dim operations(kernel::FuncOp func) const override;
};

} // namespace tenon::cpu
