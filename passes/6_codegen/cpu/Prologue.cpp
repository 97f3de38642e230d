// Elements of values that are computed above an anchor.
#include "passes/6_codegen/cpu/Elementwise.h"
#include "passes/6_codegen/cpu/LoopsEvaluator.h"

namespace tenon::cpu {
using namespace mlir;

/// Whether every op above `value` gives an element by a few operations: no reductions, no contractions.
static bool isComputable(Value value) {
  Operation *op = value.getDefiningOp();
  if (!op)
    return isa<BlockArgument>(value);
  return Evaluator::canEvaluate(op) && !Evaluator::hasLoop(op) && llvm::all_of(op->getOperands(), isComputable);
}

bool Prologue::matches(Value value) { return OperandReader::canRead(value) || isComputable(value); }

Prologue::Prologue(KernelBuilder &b, Value value) : builder(b), root(value), reader(b) {}

Value Prologue::load(ArrayRef<Index> position, int lanes, int axis, Value mask) {
  bool vector = lanes > 1;
  if (OperandReader::canRead(root)) {
    LanePosition at{SmallVector<Index>(position), vector ? axis : -1, vector ? lanes : 0};
    Value loaded = reader.read(root, at, mask);
    return vector ? builder.splat(loaded, lanes) : loaded;
  }
  Evaluator evaluator(builder);
  auto at = [&](Index offset, int count) {
    Place place{SmallVector<Index, 6>(position), count, count ? axis : -1};
    if (vector)
      place.index[axis] = builder.add(position[axis], offset);
    return evaluator.at(root, place);
  };
  if (!vector || !mask)
    return at(0, vector ? lanes : 0);
  // At a border, lane by lane: lanes that are off compute the first lane, which is on.
  Value result;
  for (int lane = 0; lane < lanes; ++lane) {
    Value element = at(builder.select(builder.extractLane(mask, lane), Index(lane), Index(0)), 0);
    if (!result)
      result = LLVM::PoisonOp::create(builder.ops(), VectorType::get({lanes}, element.getType()));
    result = builder.insertLane(result, element, lane);
  }
  return result;
}

} // namespace tenon::cpu
