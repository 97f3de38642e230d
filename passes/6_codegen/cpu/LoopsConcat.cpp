#include "passes/6_codegen/cpu/LoopsConcat.h"
#include "passes/6_codegen/cpu/LoopsNest.h"

using namespace mlir;

namespace tenon::cpu {

nn::ConcatOp concatOfBytes(kernel::FuncOp func, const Target &target) {
  auto op = func.getNumResults() == 1 ? func.terminator().getOperand(0).getDefiningOp<nn::ConcatOp>() : nn::ConcatOp();
  if (!op || target.isGpu())
    return {};
  auto type = cast<RankedTensorType>(op.getType());
  bool areBytes = type.getElementType().isInteger() && type.getElementType().getIntOrFloatBitWidth() == 8;
  if (!areBytes || int64_t(op.getAxis()) + 1 != type.getRank() || type.getRank() < 2 || !func.resultStrides(0).back().isConstant(1))
    return {};
  auto isRows = [](Value input) {
    kernel::View view = kernel::viewOf(input);
    return isa<BlockArgument>(view.source) && view.strides.back().isConstant(1) && nn::dimsOf(input.getType()).back().isConstant();
  };
  return llvm::all_of(op.getInputs(), isRows) ? op : nn::ConcatOp();
}

/// Copies `count` bytes, in the widest registers that they fill.
static void copyRun(KernelBuilder &b, const Tensor &from, Index fromOffset, const Tensor &to, Index toOffset, int64_t count) {
  int64_t done = 0;
  for (int64_t lanes = b.target().lanes(8); lanes; lanes /= 2) {
    int64_t end = done + (count - done) / lanes * lanes;
    b.loop(done, end, lanes, [&](Index i) { b.store(b.load(from, b.add(fromOffset, i), int(lanes)), to, b.add(toOffset, i)); });
    done = end;
  }
}

void emitConcatOfBytes(KernelBuilder &b, Evaluator &evaluator, nn::ConcatOp op, int64_t tasks) {
  Tensor result = b.result(0);
  SmallVector<Tensor> inputs;
  for (Value input : op.getInputs())
    inputs.push_back(b.tensorOf(input));
  SmallVector<nn::Dim> rows = nn::dimsOf(op.getType());
  rows.back() = nn::Dim::constant(op.getContext(), 1);
  LoopNest nest = chooseNest(b, rows, SmallVector<int>(rows.size(), 0), tasks, /*lanes=*/0);
  nest.emit(b, evaluator, [](const Place &) {}, [&](const Place &place) {
    Index to = b.at(result, place.index);
    for (const Tensor &input : inputs) {
      int64_t count = input.sizes.back().get();
      copyRun(b, input, b.at(input, place.index), result, to, count);
      to = b.add(to, count);
    }
  });
}

} // namespace tenon::cpu
