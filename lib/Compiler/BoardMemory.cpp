#include "lib/Compiler/BoardMemory.h"
#include "dialects/kernel/Kernel.h"
#include "dialects/plan/Plan.h"
#include "lib/Target/Gpu.h"

namespace tenon {
using namespace mlir;

static int64_t bytesOf(Type type) {
  auto tensor = dyn_cast<RankedTensorType>(type);
  return tensor ? nn::numElements(tensor).asConstant().value_or(0) * nn::elementBytes(tensor) : 0;
}

static int64_t weightBytes(ModuleOp module) {
  llvm::SmallDenseSet<Attribute> constants;
  module.walk([&](plan::ConstantOp constant) { constants.insert(constant.getValue()); });
  int64_t bytes = 0;
  for (Attribute constant : constants)
    if (auto contents = dyn_cast<ElementsAttr>(constant))
      bytes += bytesOf(contents.getShapedType());
  return bytes;
}

static std::string mebibytes(int64_t bytes) {
  return std::to_string(bytes >> 20) + " MiB";
}

LogicalResult requireBoardMemory(ModuleOp module, const Target &target) {
  std::optional<int64_t> memory = boardMemory(target);
  if (!memory)
    return success();
  int64_t weights = weightBytes(module), arena = 0, tensors = 0;
  if (auto main = module.lookupSymbol<plan::FuncOp>("main")) {
    arena = main.getArenaBytes().value_or(0);
    for (ArrayAttr types : {main.getInputs(), main.getOutputs()})
      for (Type type : types.getAsValueRange<TypeAttr>())
        tensors += bytesOf(type);
  }
  if (weights + arena + tensors <= *memory)
    return success();
  return emitError(UnknownLoc::get(module.getContext()))
         << target.name << " has " << mebibytes(*memory) << " of memory, for everything on it; a run needs " << mebibytes(weights + arena + tensors)
         << ": weights " << mebibytes(weights) << ", arena " << mebibytes(arena) << ", inputs and outputs " << mebibytes(tensors)
         << "; give smaller sizes (--shape), --precision fp16, or a board with more";
}

} // namespace tenon
