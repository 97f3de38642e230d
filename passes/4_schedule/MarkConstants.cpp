// Tells arguments that are always constant from those that are computed.
#include "passes/4_schedule/Schedules.h"
#include "llvm/ADT/MapVector.h"
#include <map>

namespace tenon::schedule {
using namespace mlir;

/// Whether a value is known when the plan is made: a constant, or nn ops on constants (packing, before it is folded).
static bool isConstant(Value value) {
  Operation *op = value.getDefiningOp();
  if (!op || op->getDialect()->getNamespace() != nn::NNDialect::getDialectNamespace())
    return false;
  if (auto constant = dyn_cast<nn::ConstantOp>(op))
    return isa<ElementsAttr>(constant.getValue());
  return llvm::all_of(op->getOperands(), isConstant);
}

int64_t markConstants(ModuleOp module) {
  SymbolTable symbols(module);
  llvm::MapVector<kernel::FuncOp, std::map<std::vector<bool>, SmallVector<kernel::DispatchOp>>> patterns;
  module.walk([&](kernel::DispatchOp dispatch) {
    auto func = symbols.lookup<kernel::FuncOp>(dispatch.getKernel());
    std::vector<bool> constants(dispatch.getArgs().size());
    for (auto [i, arg] : llvm::enumerate(dispatch.getArgs()))
      constants[i] = isConstant(arg);
    patterns[func][constants].push_back(dispatch);
  });
  int64_t split = 0;
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
          variant.setArgAttr(i, "kernel.constant", UnitAttr::get(module.getContext()));
    }
    original->erase();
  }
  return split;
}

} // namespace tenon::schedule
