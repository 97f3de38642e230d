// Which kernels walk their tasks from the last to the first.
#include "passes/6_codegen/gpu/Directions.h"
#include "dialects/kernel/Kernel.h"
#include "dialects/plan/Plan.h"
#include "mlir/IR/TypeUtilities.h"

namespace tenon::gpu {
using namespace mlir;

/// A good part of an L2 cache: smaller tensors are still there whatever the order.
static constexpr int64_t kLargeBytes = 16 << 20;

static bool isLarge(Type type) {
  return nn::numElements(type).asConstant().value_or(0) * nn::elementBytes(getElementTypeOrSelf(type)) > kLargeBytes;
}

static bool movesLargeTensor(kernel::FuncOp func) {
  for (auto [i, type] : llvm::enumerate(func.getArgumentTypes()))
    if (isLarge(type) && !func.getArgAttr(unsigned(i), "kernel.constant"))
      return true;
  return llvm::any_of(func.getResultTypes(), isLarge);
}

void markDirections(ModuleOp module) {
  SymbolTable symbols(module);
  bool isBackward = true; // the last of the kernels that move much
  DenseSet<Operation *> known;
  module.walk([&](plan::LaunchOp launch) {
    auto func = symbols.lookup<kernel::FuncOp>(launch.getKernel());
    if (!func || !movesLargeTensor(func))
      return;
    if (known.insert(func).second && !isBackward)
      func->setAttr(kBackwardAttr, UnitAttr::get(module.getContext()));
    isBackward = func->hasAttr(kBackwardAttr);
  });
}

} // namespace tenon::gpu
