#include "passes/6_codegen/cpu/LoopsElementwise.h"
#include "passes/6_codegen/cpu/ElementwiseProgram.h"
#include "passes/6_codegen/cpu/LoopsNest.h"

using namespace mlir;

namespace tenon::cpu {

bool isElementwiseKernel(kernel::FuncOp func) { return ElementwiseProgram::of(func).has_value(); }

void emitElementwiseKernel(KernelBuilder &b, kernel::FuncOp func, int64_t tasks) {
  ElementwiseEmitter emitter(b, func);
  ArrayRef<nn::Dim> sizes = emitter.merged.sizes;
  LoopNest nest = chooseNest(b, sizes, SmallVector<int>(sizes.size(), 0), tasks, emitter.evaluator.preferredLanes());
  nest.emit(b, emitter.evaluator, [&](const Place &place) { emitter.hoistLeaves(place); }, [&](const Place &place) { emitter.store(place); });
}

SmallVector<int64_t> elementwiseOverwrites(kernel::FuncOp func) {
  ElementwiseProgram program = *ElementwiseProgram::of(func);
  SmallVector<int64_t> overwrites;
  llvm::SmallBitVector taken(func.getNumArguments());
  for (unsigned r = 0; r < func.getNumResults(); ++r) {
    int64_t chosen = -1;
    auto type = cast<RankedTensorType>(func.getResultTypes()[r]);
    for (BlockArgument argument : func.getBody().getArguments()) {
      // Every read of the argument is of the whole argument, element by element, in elements of the result's size.
      bool read = false, inPlace = !taken[argument.getArgNumber()];
      for (Leaf &leaf : program.leaves) {
        if (kernel::viewOf(leaf.value).source != argument)
          continue;
        read = true;
        inPlace &= leaf.value == argument;
      }
      auto own = cast<RankedTensorType>(argument.getType());
      inPlace &= nn::dimsOf(own) == nn::dimsOf(type) && own.getElementType().isIntOrFloat() &&
                 own.getElementTypeBitWidth() == type.getElementTypeBitWidth();
      if (read && inPlace && chosen < 0)
        chosen = argument.getArgNumber();
    }
    if (chosen >= 0)
      taken.set(chosen);
    overwrites.push_back(chosen);
  }
  return overwrites;
}

} // namespace tenon::cpu
