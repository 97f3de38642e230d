#include "passes/6_codegen/cpu/LoopsElementwise.h"
#include "passes/6_codegen/cpu/ByteRegisters.h"
#include "passes/6_codegen/cpu/ElementwiseProgram.h"
#include "passes/6_codegen/cpu/LoopsNest.h"

using namespace mlir;

namespace tenon::cpu {

bool isElementwiseKernel(kernel::FuncOp func) { return ElementwiseProgram::of(func).has_value(); }

/// Lanes of one step. Results of bytes fill a register of bytes where their axis is a multiple of it: then their quantization and tables take the registers
/// of numbers together.
static int lanesOf(KernelBuilder &b, kernel::FuncOp func, ElementwiseEmitter &emitter) {
  int lanes = emitter.evaluator.preferredLanes();
  ArrayRef<nn::Dim> sizes = emitter.merged.sizes;
  bool areBytes = llvm::all_of(func.getResultTypes(), [](Type type) {
    Type element = getElementTypeOrSelf(type);
    return element.isInteger() && element.getIntOrFloatBitWidth() == 8;
  });
  if (!areBytes || sizes.empty() || !hasByteRegisters(b.target()))
    return lanes;
  for (int wide : {b.target().lanes(8), b.target().lanes(8) / 2})
    if (sizes.back().dividedExactlyBy(nn::Dim::constant(func.getContext(), wide)))
      return wide;
  return lanes;
}

void emitElementwiseKernel(KernelBuilder &b, kernel::FuncOp func, int64_t tasks) {
  ElementwiseEmitter emitter(b, func);
  ArrayRef<nn::Dim> sizes = emitter.merged.sizes;
  LoopNest nest = chooseNest(b, sizes, SmallVector<int>(sizes.size(), 0), tasks, lanesOf(b, func, emitter));
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
