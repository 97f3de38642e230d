// Chooses the family and the schedule of every kernel.
#include "passes/4_schedule/Passes.h"
#include "passes/PassTarget.h"
#include "passes/4_schedule/Schedules.h"
#include "passes/6_codegen/cpu/KernelFamily.h"

namespace tenon::schedule {
#define GEN_PASS_DEF_ASSIGNSCHEDULES
#include "passes/4_schedule/Passes.h.inc"

namespace {
using namespace mlir;

/// Whether a value is known when the plan is made: a constant, or nn ops on constants (packing, before it is folded).
bool isConstant(Value value) {
  Operation *op = value.getDefiningOp();
  if (!op || op->getDialect()->getNamespace() != nn::NNDialect::getDialectNamespace())
    return false;
  if (auto constant = dyn_cast<nn::ConstantOp>(op))
    return isa<ElementsAttr>(constant.getValue());
  return llvm::all_of(op->getOperands(), isConstant);
}

class AssignSchedulesPass : public impl::AssignSchedulesBase<AssignSchedulesPass> {
public:
  using AssignSchedulesBase::AssignSchedulesBase;
  explicit AssignSchedulesPass(const Target &target) : given(target) { targetName = target.name; }

  void runOnOperation() override {
    FailureOr<Target> target = passTarget(getOperation(), given, targetName);
    if (failed(target))
      return signalPassFailure();
    markConstants();
    for (auto func : getOperation().getOps<kernel::FuncOp>())
      if (failed(assign(func, *target)))
        signalPassFailure();
  }

private:
  /// Marks arguments that every dispatch fills with a constant; kernels that are called both ways are cloned, one for each pattern.
  void markConstants() {
    SymbolTable symbols(getOperation());
    llvm::MapVector<kernel::FuncOp, std::map<std::vector<bool>, SmallVector<kernel::DispatchOp>>> patterns;
    getOperation().walk([&](kernel::DispatchOp dispatch) {
      auto func = symbols.lookup<kernel::FuncOp>(dispatch.getKernel());
      std::vector<bool> constants(dispatch.getArgs().size());
      for (auto [i, arg] : llvm::enumerate(dispatch.getArgs()))
        constants[i] = isConstant(arg);
      patterns[func][constants].push_back(dispatch);
    });
    for (auto &[func, groups] : patterns) {
      auto original = cast<kernel::FuncOp>(func->clone());
      bool first = true;
      for (auto &[constants, dispatches] : groups) {
        kernel::FuncOp variant = func;
        if (!first) {
          variant = original.clone();
          symbols.insert(variant, std::next(Block::iterator(func)));
          for (kernel::DispatchOp dispatch : dispatches)
            dispatch.setKernel(variant.getSymName());
          ++split;
        }
        first = false;
        for (size_t i = 0; i < constants.size(); ++i)
          if (constants[i])
            variant.setArgAttr(i, "kernel.constant", UnitAttr::get(&getContext()));
      }
      original->erase();
    }
  }

  LogicalResult assign(kernel::FuncOp func, const Target &target) {
    if (kernel::ScheduleAttr schedule = func.getScheduleAttr()) {
      const cpu::KernelFamily *family = cpu::familyNamed(schedule.getFamily().getValue());
      if (!family || !family->matches(func, target))
        return func.emitError("has a schedule of the family '") << schedule.getFamily().getValue() << "', which does not compute it";
      setSchedule(func, schedule, target);
      ++kept;
      return success();
    }
    kernel::ScheduleAttr schedule = bestSchedule(func, target);
    if (!schedule)
      return func.emitError("no kernel family computes this combination of operations");
    setSchedule(func, schedule, target);
    ++scheduled;
    return success();
  }

  std::optional<Target> given;
};
} // namespace

std::unique_ptr<Pass> createAssignSchedules(const Target &target) { return std::make_unique<AssignSchedulesPass>(target); }

} // namespace tenon::schedule
