#include "passes/6_codegen/cpu/NarrowConvolution.h"
#include "passes/6_codegen/cpu/LoopsNest.h"
#include "passes/6_codegen/cpu/NarrowEmitter.h"

using namespace mlir;

namespace tenon::cpu {

namespace {
class NarrowConvolutionFamily final : public KernelFamily {
public:
  StringRef name() const override { return "narrow_convolution"; }
  bool matches(kernel::FuncOp func, const Target &target) const override { return NarrowProblem::of(func, target).has_value(); }

  void schedules(kernel::FuncOp func, const Target &target, SmallVectorImpl<kernel::ScheduleAttr> &out) const override {
    NarrowProblem p = *NarrowProblem::of(func, target);
    int64_t most = p.mostPixels(target), tasks = target.cores > 1 ? 4 * int64_t(target.cores) : 1;
    auto add = [&](int64_t pixels) {
      auto schedule = kernel::ScheduleAttr::get(func.getContext(), name(), {{"pixels", pixels}, {"tasks", tasks}});
      if (pixels >= 1 && !llvm::is_contained(out, schedule))
        out.push_back(schedule);
    };
    for (int64_t pixels : {most, most - 1, most / 2, int64_t(1)})
      add(pixels);
  }

  KernelPlan plan(kernel::FuncOp func, kernel::ScheduleAttr schedule, const Target &target) const override {
    NarrowProblem p = *NarrowProblem::of(func, target);
    KernelPlan plan;
    plan.tasks = tasksFor(operations(func).ceilDiv(2 * target.lanes(32) / 4), schedule.get("tasks", 1));
    plan.overwrites.assign(func.getNumResults(), -1);
    if (auto argument = dyn_cast<BlockArgument>(p.conv.getWeight()))
      plan.packings.emplace_back(argument.getArgNumber(), p.packing());
    return plan;
  }

  LogicalResult emit(kernel::FuncOp func, kernel::ScheduleAttr schedule, KernelBuilder &builder) const override {
    std::optional<NarrowProblem> p = NarrowProblem::of(func, builder.target());
    auto unpack = p ? p->conv.getWeight().getDefiningOp<kernel::UnpackOp>() : kernel::UnpackOp();
    if (!unpack || unpack.getPacking() != p->packing())
      return func.emitError("the narrow_convolution family reads constant filters that were packed as it plans (schedule-pack-constants)");
    // Few long rows are cut, so that all tasks get something.
    constexpr int64_t kColumns = 256;
    int64_t pixels = std::clamp<int64_t>(schedule.get("pixels", 1), 1, p->mostPixels(builder.target()));
    NarrowEmitter(builder, *p, pixels, llvm::divideCeil(p->columns, kColumns)).emit();
    return success();
  }

  nn::Dim operations(kernel::FuncOp func) const override {
    auto conv = *func.getBody().getOps<nn::ConvOp>().begin();
    auto weight = cast<RankedTensorType>(conv.getWeight().getType());
    return nn::numElements(conv.getType()) * (2 * weight.getNumElements() / weight.getDimSize(0));
  }
};
} // namespace

const KernelFamily &narrowConvolutionFamily() {
  static const NarrowConvolutionFamily family;
  return family;
}

} // namespace tenon::cpu
