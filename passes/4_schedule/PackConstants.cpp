// Rewrites constant arguments to the layouts that the schedules read.
#include "passes/4_schedule/Passes.h"
#include "passes/PassTarget.h"
#include "passes/4_schedule/Schedules.h"
#include "passes/6_codegen/cpu/KernelFamily.h"
#include "passes/6_codegen/gpu/Libraries.h"

namespace tenon::schedule {
#define GEN_PASS_DEF_PACKCONSTANTS
#include "passes/4_schedule/Passes.h.inc"

namespace {
using namespace mlir;

class PackConstantsPass : public impl::PackConstantsBase<PackConstantsPass> {
public:
  using PackConstantsBase::PackConstantsBase;
  explicit PackConstantsPass(const Target &target) : given(target) { targetName = target.name; }

  void runOnOperation() override {
    FailureOr<Target> target = passTarget(getOperation(), given, targetName);
    if (failed(target))
      return signalPassFailure();
    llvm::MapVector<StringRef, SmallVector<kernel::DispatchOp>> calls;
    getOperation().walk([&](kernel::DispatchOp dispatch) { calls[dispatch.getKernel()].push_back(dispatch); });
    for (auto func : getOperation().getOps<kernel::FuncOp>()) {
      if (!func.getSchedule())
        continue;
      const cpu::KernelFamily *family = cpu::familyNamed(func.getSchedule()->getFamily().getValue());
      for (auto [argument, packing] : family->plan(func, *func.getSchedule(), *target).packings)
        if (func.getArgAttr(argument, "kernel.constant"))
          pack(func, calls[func.getSymName()], argument, packing);
      if (gpu::isOfLibrary(*func.getSchedule()))
        if (std::optional<unsigned> bias = gpu::wideBias(func))
          round(func, calls[func.getSymName()], *bias, cast<RankedTensorType>(func.getResultTypes().front()).getElementType());
    }
  }

private:
  void pack(kernel::FuncOp func, ArrayRef<kernel::DispatchOp> dispatches, unsigned index, kernel::PackingAttr packing) {
    packArgument(func, index, packing);
    OpBuilder builder(&getContext());
    for (kernel::DispatchOp dispatch : dispatches) {
      Value operand = dispatch.getArgs()[index];
      // Other dispatches may pack the same constant: the packing stands right after it, where CSE finds it.
      builder.setInsertionPointAfterValue(operand);
      dispatch.getArgsMutable()[index].set(kernel::buildPacking(builder, operand.getLoc(), operand, packing));
    }
    ++packed;
  }

  /// Stores an f32 argument in a half type; the body widens it again.
  void round(kernel::FuncOp func, ArrayRef<kernel::DispatchOp> dispatches, unsigned index, Type element) {
    BlockArgument argument = func.getBody().getArgument(index);
    auto wide = cast<RankedTensorType>(argument.getType());
    argument.setType(RankedTensorType::get(wide.getShape(), element));
    SmallVector<Type> inputs(func.getBody().getArgumentTypes());
    func.setFunctionType(FunctionType::get(func.getContext(), inputs, func.getResultTypes()));
    OpBuilder builder = OpBuilder::atBlockBegin(&func.getBody().front());
    auto widened = nn::CastOp::create(builder, func.getLoc(), wide, argument, wide.getElementType());
    argument.replaceAllUsesExcept(widened, widened);
    for (kernel::DispatchOp dispatch : dispatches) {
      Value operand = dispatch.getArgs()[index];
      builder.setInsertionPointAfterValue(operand);
      dispatch.getArgsMutable()[index].set(nn::CastOp::create(builder, operand.getLoc(), argument.getType(), operand, element));
    }
    ++packed;
  }

  std::optional<Target> given;
};
} // namespace

std::unique_ptr<Pass> createPackConstants(const Target &target) { return std::make_unique<PackConstantsPass>(target); }

void buildSchedulePipeline(OpPassManager &pm, const Target &target, StringRef tuningCache, bool exactOrder) {
  if (!tuningCache.empty())
    pm.addPass(createApplyTuning(target, tuningCache, exactOrder));
  pm.addPass(createAssignSchedules(target, exactOrder, /*fromLibraries=*/tuningCache.empty()));
  pm.addPass(createPackConstants(target));
  pm.addPass(createCSEPass());
}

} // namespace tenon::schedule
