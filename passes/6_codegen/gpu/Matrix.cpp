#include "passes/6_codegen/gpu/Matrix.h"
#include "passes/6_codegen/gpu/MatrixEmitter.h"
#include "passes/6_codegen/gpu/MatrixPipeline.h"
#include "passes/6_codegen/gpu/MatrixResident.h"
#include "passes/6_codegen/gpu/MatrixTma.h"

namespace tenon::gpu {
using namespace mlir;

namespace {
class MatrixFamily final : public KernelFamily {
public:
  StringRef name() const override { return "gpu.matrix"; }

  bool matches(kernel::FuncOp func, const Target &target) const override {
    std::optional<MatrixProblem> p = MatrixProblem::of(func, target);
    return p && p->hasBytesInMemory();
  }

  void schedules(kernel::FuncOp func, const Target &target, SmallVectorImpl<kernel::ScheduleAttr> &out) const override {
    for (const MatrixSchedule &s : matrixSchedules(*MatrixProblem::of(func, target), target))
      out.push_back(s.attr(func.getContext()));
  }

  KernelPlan plan(kernel::FuncOp func, kernel::ScheduleAttr attr, const Target &target) const override {
    MatrixProblem p = *MatrixProblem::of(func, target);
    MatrixSchedule s = MatrixSchedule::of(attr);
    KernelPlan plan;
    plan.tasks = s.resident                               ? residentBlocks(p, s, target)
                 : (s.pipeline || s.tma) && s.splits == 1 ? pipelineBlocks(p, s, target)
                                                          : tilesOf(p, s) * s.splits;
    if (p.contraction.rhsArgument() && !p.ofRun)
      plan.packings.push_back({p.contraction.rhsArgument().getArgNumber(), p.packing(s)});
    for (unsigned i = 0; i < func.getNumResults(); ++i)
      plan.overwrites.push_back(func.getNumResults() == 1 ? p.contraction.overwritten() : -1);
    int64_t shared = s.resident ? residentLayout(p, s).sharedBytes : s.sharedBytes() + p.scaleBytes(s) + p.rowValueBytes(s);
    plan.block = {int(s.threads()), 1, int(shared), int(s.splits), /*waits=*/true, int(s.together)};
    return plan;
  }

  LogicalResult emit(kernel::FuncOp func, kernel::ScheduleAttr attr, KernelBuilder &builder) const override {
    std::optional<MatrixProblem> p = MatrixProblem::of(func, builder.target());
    if (!p)
      return func.emitError("the matrix family computes one nn.matmul or channels-last nn.conv in a half type or of bytes");
    if (!p->ofRun && !p->contraction.unpacked())
      return func.emitError("constant weights have to be packed before code is emitted (kernel-pack-constants)");
    MatrixSchedule s = MatrixSchedule::of(attr);
    if (!p->ofRun && p->contraction.unpacked().getPacking() != p->packing(s))
      return func.emitError("weights are packed for another schedule");
    if (s.resident)
      emitResident(builder, *p, s);
    else if (s.tma)
      emitTma(builder, *p, s);
    else
      s.pipeline ? emitPipeline(builder, *p, s) : MatrixEmitter(builder, *p, s).emit();
    return success();
  }

  nn::Dim operations(kernel::FuncOp func) const override {
    cpu::ContractionProblem p = *cpu::ContractionProblem::of(func);
    return nn::product(func.getContext(), p.extents) * p.depth * (2 * p.dot * p.tapCount());
  }
};
} // namespace

const KernelFamily &matrixFamily() {
  static const MatrixFamily family;
  return family;
}

} // namespace tenon::gpu
