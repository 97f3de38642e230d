#include "lib/Compiler/BoardMemory.h"
#include "dialects/kernel/Kernel.h"
#include "dialects/plan/Plan.h"
#include "lib/Target/Gpu.h"
#include "passes/5_memory/BufferLifetimes.h"
#include "runtime/memory/ArenaPacker.h"

namespace tenon {
using namespace mlir;

namespace {
using Sizes = llvm::DenseMap<StringRef, int64_t>;

/// Every free dimension of the inputs as small as it is of use. Sizes that only a run knows are missing.
Sizes smallestSizes(plan::FuncOp main) {
  Sizes sizes;
  for (Type type : main.getInputs().getAsValueRange<TypeAttr>())
    if (isa<RankedTensorType>(type)) {
      SmallVector<StringRef> symbols;
      nn::numElements(type).collectSymbols(symbols);
      for (StringRef symbol : symbols)
        sizes[symbol] = 1;
    }
  return sizes;
}

int64_t bytesOf(Type type, const Sizes &sizes) {
  auto tensor = dyn_cast<RankedTensorType>(type);
  return tensor ? nn::numElements(tensor).evaluate(sizes).value_or(0) * nn::elementBytes(tensor) : 0;
}

int64_t weightBytes(ModuleOp module) {
  llvm::SmallDenseSet<Attribute> constants;
  module.walk([&](plan::ConstantOp constant) { constants.insert(constant.getValue()); });
  int64_t bytes = 0;
  for (Attribute constant : constants)
    if (auto contents = dyn_cast<ElementsAttr>(constant))
      bytes += bytesOf(contents.getShapedType(), Sizes());
  return bytes;
}

/// The largest sum of what is alive at a step: no arena is smaller.
int64_t liveBytes(plan::FuncOp main, const Sizes &sizes) {
  SmallVector<Lifetime> lifetimes;
  for (auto &[op, steps] : memory::bufferLifetimes(main)) {
    auto alloc = cast<plan::AllocOp>(op);
    lifetimes.push_back({nn::Dim(alloc.getSize()).evaluate(sizes).value_or(0), int64_t(alloc.getAlignment()), steps.first, steps.last});
  }
  std::vector<std::max_align_t> scratch(arenaScratchBytes(lifetimes.size()) / sizeof(std::max_align_t) + 1);
  int64_t most = 0, all = 0;
  return measureLifetimes({lifetimes.data(), lifetimes.size()}, scratch.data(), most, all) ? most : 0;
}
} // namespace

static std::string mebibytes(int64_t bytes) {
  return std::to_string(bytes >> 20) + " MiB";
}

LogicalResult requireBoardMemory(ModuleOp module, const Target &target) {
  std::optional<int64_t> memory = boardMemory(target);
  if (!memory)
    return success();
  int64_t weights = weightBytes(module), arena = 0, tensors = 0;
  Sizes sizes;
  if (auto main = module.lookupSymbol<plan::FuncOp>("main")) {
    sizes = smallestSizes(main);
    arena = main.getArenaBytes().value_or(liveBytes(main, sizes));
    for (ArrayAttr types : {main.getInputs(), main.getOutputs()})
      for (Type type : types.getAsValueRange<TypeAttr>())
        tensors += bytesOf(type, sizes);
  }
  if (weights + arena + tensors <= *memory)
    return success();
  return emitError(UnknownLoc::get(module.getContext()))
         << target.name << " has " << mebibytes(*memory) << " of memory, for everything on it; a run "
         << (sizes.empty() ? "" : "with every free dimension at 1 ") << "needs " << mebibytes(weights + arena + tensors) << ": weights "
         << mebibytes(weights) << ", arena " << mebibytes(arena) << ", inputs and outputs " << mebibytes(tensors)
         << "; give smaller sizes (--shape), --precision fp16, or a board with more";
}

} // namespace tenon
