#include "passes/6_codegen/cpu/DepthwiseChain.h"
#include "passes/6_codegen/cpu/ChainEmitter.h"
#include "passes/6_codegen/cpu/Depthwise.h"

namespace tenon::cpu {
using namespace mlir;

namespace {
class DepthwiseChainFamily final : public KernelFamily {
public:
  StringRef name() const override { return "depthwise_chain"; }

  bool matches(kernel::FuncOp func, const Target &) const override {
    std::optional<ChainProblem> p = ChainProblem::of(func);
    return p && p->filtersConstant();
  }

  void schedules(kernel::FuncOp func, const Target &target, SmallVectorImpl<kernel::ScheduleAttr> &out) const override {
    SmallVector<ChainSchedule> found;
    listSchedules(*ChainProblem::of(func), target, found);
    for (const ChainSchedule &s : found)
      out.push_back(s.attr(func.getContext()));
  }

  KernelPlan plan(kernel::FuncOp func, kernel::ScheduleAttr attr, const Target &target) const override {
    ChainProblem p = *ChainProblem::of(func);
    ChainSchedule s = ChainSchedule::of(attr);
    KernelPlan plan;
    plan.overwrites.assign(func.getNumResults(), -1);
    plan.tasks = nn::Dim::constant(func.getContext(), 1);
    if (!s.validate().empty()) // emit() says why
      return plan;
    plan.tasks = (p.batch() * p.outHeight()).min(nn::Dim::constant(func.getContext(), s.tasks));
    plan.workspaceBytes = ChainLayout(p).totalBytes;
    for (const auto &[argument, packing] : packingsOf(p, s, target))
      plan.packings.push_back({argument.getArgNumber(), packing});
    return plan;
  }

  LogicalResult emit(kernel::FuncOp func, kernel::ScheduleAttr attr, KernelBuilder &builder) const override {
    std::optional<ChainProblem> p = ChainProblem::of(func);
    if (!p)
      return func.emitError("the depthwise_chain family computes a depthwise convolution between 1x1 convolutions");
    ChainSchedule s = ChainSchedule::of(attr);
    if (std::string why = s.validate(); !why.empty())
      return func.emitError("schedule ") << attr << " cannot compute this kernel: " << why;
    for (nn::ConvOp conv : {p->expand, p->depthwise, p->project}) {
      auto unpack = conv ? conv.getWeight().getDefiningOp<kernel::UnpackOp>() : kernel::UnpackOp();
      if (conv && (!unpack || unpack.getPacking() != packingFor(*p, conv, s, builder.target())))
        return func.emitError("the depthwise_chain family reads constant filters that were packed as it plans (schedule-pack-constants)");
    }
    ChainEmitter(builder, *p, s).emit();
    return success();
  }

  nn::Dim operations(kernel::FuncOp func) const override {
    ChainProblem p = *ChainProblem::of(func);
    int64_t each = p.outHeight() * p.outWidth() * p.channels() * p.tapCount();
    if (p.hasExpand())
      each += p.height() * p.width() * depthOf(p.expand) * columnsOf(p.expand);
    if (p.hasProject())
      each += p.outHeight() * p.outWidth() * depthOf(p.project) * columnsOf(p.project);
    return p.batch() * (2 * each);
  }

private:
  static kernel::PackingAttr packingFor(const ChainProblem &p, nn::ConvOp conv, const ChainSchedule &s, const Target &target) {
    if (conv == p.depthwise)
      return depthwisePacking(cast<RankedTensorType>(conv.getWeight().getType()));
    return panelPacking(conv, conv == p.expand ? s.expand.vectors : s.project.vectors, target);
  }

  /// The filters that are not packed yet, with the layouts that the schedule reads.
  static SmallVector<std::pair<BlockArgument, kernel::PackingAttr>> packingsOf(const ChainProblem &p, const ChainSchedule &s, const Target &target) {
    SmallVector<std::pair<BlockArgument, kernel::PackingAttr>> all;
    for (nn::ConvOp conv : {p.expand, p.depthwise, p.project})
      if (auto argument = conv ? dyn_cast<BlockArgument>(conv.getWeight()) : BlockArgument())
        all.push_back({argument, packingFor(p, conv, s, target)});
    return all;
  }
};
} // namespace

const KernelFamily &depthwiseChainFamily() {
  static const DepthwiseChainFamily family;
  return family;
}

} // namespace tenon::cpu
