// Products of two tensors that only a run knows: neither operand is packed, and the right one may have a matrix for each of a batch.
#include "passes/6_codegen/gpu/MatrixEmitter.h"

namespace tenon::gpu {
using namespace mlir;

/// Tiles of a matrix of the batch follow on one another.
Index MatrixEmitter::rowOfBatch(Index down) {
  Index rows = b.dim(p.rowsOfBatch()), tilesDown = b.dim(p.rowsOfBatch().ceilDiv(s.tileRows));
  Index number = b.div(down, tilesDown), rest = number;
  batch.assign(p.batchAxes, Index(0));
  for (int axis = p.batchAxes - 1; axis >= 0; --axis) {
    Index extent = b.dim(p.contraction.extents[axis]);
    batch[axis] = axis ? b.rem(rest, extent) : rest;
    rest = axis ? b.div(rest, extent) : rest;
  }
  endOfBatch = b.mul(b.add(number, 1), rows);
  return b.add(b.mul(number, rows), b.mul(b.rem(down, tilesDown), s.tileRows));
}

void MatrixEmitter::beginOperands() {
  const cpu::ContractionProblem &c = p.contraction;
  int64_t rightStart = s.tileRows * MatrixSchedule::kStep * 2;
  SmallVector<Index> position(nn::dimsOf(c.rhs.getType()).size(), Index(0));
  for (int axis = 0; axis < p.batchAxes; ++axis)
    if (c.rhsRows[axis] >= 0)
      position[c.rhsRows[axis]] = batch[axis];
  right.emplace(b, w, p, s, ProductOperand::right(p), s.tileColumns, rightStart);
  right->begin(position, firstColumn, thread);

  bool isOneAxis = llvm::all_of(ArrayRef(c.extents).slice(p.batchAxes, c.rowAxes() - 1 - p.batchAxes), [](nn::Dim d) { return d.isConstant(1); });
  if (lhs.hasMemory() || !isOneAxis)
    return;
  position.assign(c.lhsAxes.size(), Index(0));
  for (auto [axis, map] : llvm::enumerate(c.lhsAxes))
    if (map.rowAxis >= 0 && map.rowAxis < p.batchAxes)
      position[axis] = batch[map.rowAxis];
  Index firstOfBatch = p.batchAxes ? b.sub(firstRow, b.sub(endOfBatch, b.dim(p.rowsOfBatch()))) : firstRow;
  left.emplace(b, w, p, s, ProductOperand::left(p), s.tileRows, 0);
  left->begin(position, firstOfBatch, thread);
}

void MatrixEmitter::beginElements(Value step, SmallVectorImpl<KernelBuilder::Values> &elements) {
  for (std::optional<TileLoader> *operand : {&left, &right})
    if (readsElements(*operand))
      elements.push_back((*operand)->read(step));
}

void MatrixEmitter::endElements(ArrayRef<KernelBuilder::Values> elements, function_ref<Value(int64_t)> stageAt) {
  for (int64_t stage = 0; !elements.empty() && stage < s.round; ++stage)
    for (std::optional<TileLoader> *operand : {&left, &right})
      if (readsElements(*operand)) {
        (*operand)->write(elements.front(), stageAt(stage));
        elements = elements.drop_front();
      }
}

} // namespace tenon::gpu
