// Running sums and products: one walk along the axis for each of its lines, which carries what it has so far.
#include "passes/6_codegen/cpu/Elementwise.h"
#include "passes/6_codegen/cpu/LoopsNest.h"
#include "passes/6_codegen/cpu/LoopsSequential.h"

using namespace mlir;

namespace tenon::cpu {

void emitCumSum(KernelBuilder &b, Evaluator &evaluator, nn::CumSumOp op, int64_t tasks) {
  Tensor result = b.result(0);
  int axis = int(op.getAxis());
  auto dims = nn::dimsOf(op.getType());
  Index size = b.dim(dims[axis]);
  Fold kind = op.getProduct() ? Fold::Multiply : Fold::Add;
  // The nest is over the lines; several side by side in lanes where the last axis is another one.
  dims[axis] = nn::Dim::constant(op.getContext(), 1);
  int last = int(dims.size()) - 1;
  while (last >= 0 && dims[last].isConstant(1))
    --last;
  bool hasLanes = !b.target().isGpu() && last >= 0 && evaluator.lanesAllowed(op.getInput(), last); // threads of a GPU share the lines
  int lanes = hasLanes ? evaluator.preferredLanes() : 0;
  LoopNest nest = chooseNest(b, dims, SmallVector<int>(dims.size(), 0), tasks, lanes);
  nest.overlaps = true; // the input is not overwritten
  nest.emit(b, evaluator, [](const Place &) {}, [&](const Place &line) {
    Value none = evaluator.identity(kind, evaluator.typeAt(op.getInput(), line.lanes));
    b.loop(0, size, 1, none, [&](Index step, ValueRange carried) {
      Evaluator::Scope scope(evaluator);
      Place place{line};
      place.index[axis] = op.getReverse() ? b.sub(b.sub(size, 1), step) : step;
      Value next = evaluator.combine(kind, carried[0], evaluator.at(op.getInput(), place));
      Value wanted = op.getExclusive() ? Value(carried[0]) : next;
      if (computeType(result.element) != result.element)
        wanted = b.convert(wanted, result.element);
      Index offset = b.at(result, place.index);
      if (!place.lanes || result.strides[place.axis].is(1))
        b.store(wanted, result, offset);
      else
        b.storeStrided(wanted, result, offset, result.strides[place.axis]);
      return KernelBuilder::Values{next};
    });
  });
}

} // namespace tenon::cpu
