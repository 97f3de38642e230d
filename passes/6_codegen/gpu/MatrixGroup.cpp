// Products of four warps together, whose operands stay in shared memory (wgmma).
//
// A stage is laid out as the instruction wants it: rows of 128 bytes whose chunks of 16 are exchanged by the number of the row, the swizzle of the
// pipeline's own copies. What a warp gets of the sums is what mma.sync would give it.
#include "passes/6_codegen/gpu/MatrixEmitter.h"

namespace tenon::gpu {
using namespace mlir;

// Hopper adds up products of 8-bit floats in some 14 bits: as many as a round has, 128 of each sum.
KernelBuilder::Values MatrixEmitter::groupSums(ArrayRef<Value> sums) {
  if (!p.isNarrow())
    return KernelBuilder::Values(sums);
  return KernelBuilder::Values(sums.size(), LLVM::UndefOp::create(b.ops(), p.sum()).getResult());
}

void MatrixEmitter::waitForGroup(KernelBuilder::Values &ofRound, MutableArrayRef<Value> sums) {
  w.waitForProducts(ofRound);
  for (auto [sum, product] : llvm::zip_equal(sums, ofRound))
    sum = p.isNarrow() ? addSums(b, sum, product) : product;
}

void MatrixEmitter::multiplyGroup(Value stage, MutableArrayRef<Value> sums) {
  constexpr int64_t kRowBytes = MatrixSchedule::kStep * 2, kDepth = 16; // of one instruction
  WarpPlace place = warpPlace();
  Value groupRow = w.mul(w.div(place.row, MatrixSchedule::kGroupRows), MatrixSchedule::kGroupRows);
  bool inPanels = right && right->isAcross(); // a step's 16 of the depth are rows there
  Value leftAt = w.mul(groupRow, kRowBytes), rightAt = w.mul(w.add(place.column, s.tileRows), kRowBytes);
  SmallVector<std::pair<Value, Value>> operands;
  for (int64_t i = 0; i < s.round; ++i)
    for (int64_t first = 0; first < MatrixSchedule::kStep / kDepth; first += s.warpDepth) {
      Value at = w.add(w.add(stage, w.mul(w.add(place.depth, first), kDepth * 2)), i * s.stageBytes());
      if (inPanels) {
        Value rows = w.add(w.add(stage, w.mul(w.add(place.depth, first), kDepth * kRowBytes)), i * s.stageBytes());
        operands.emplace_back(w.swizzledRows(w.add(at, leftAt)), w.swizzledPanels(w.add(rows, rightAt), right->panelBytes()));
      } else {
        operands.emplace_back(w.swizzledRows(w.add(at, leftAt)), w.swizzledRows(w.add(at, rightAt)));
      }
    }
  w.multiplyGroup(p.factors, s.tileColumns / s.warpColumns, operands, sums, /*adds=*/!p.isNarrow(), inPanels);
}

} // namespace tenon::gpu
