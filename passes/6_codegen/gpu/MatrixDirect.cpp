// Products from fragments that go from global memory to registers.
//
// A fragment of mma.sync takes from each thread two pairs of a row's elements along the depth, of pairs that lie eight elements apart. The order of
// the depth is free as long as both operands have the same: here the pairs of a thread are neighbours in memory, so that one load of 16 bytes brings
// what two products want of a row.
#include "passes/6_codegen/gpu/MatrixEmitter.h"

namespace tenon::gpu {
using namespace mlir;

namespace {
constexpr int64_t kChunk = MatrixSchedule::kChunk, kProducts = 2; // of a step

/// Words `2 * product` and `2 * product + 1` of a chunk: what one product takes of a row.
std::pair<Value, Value> pairOf(KernelBuilder &b, Value chunk, int64_t product) {
  return {b.extractLane(chunk, 2 * product), b.extractLane(chunk, 2 * product + 1)};
}
} // namespace

/// Sums of the tile += a step of it.
void MatrixEmitter::multiplyFragments(ArrayRef<Value> left, ArrayRef<Value> right, MutableArrayRef<Value> sums) {
  for (int64_t product = 0; product < kProducts; ++product) {
    SmallVector<Warp::Fragment> lefts, rights;
    for (int64_t m = 0; m < fragmentsDown; ++m) {
      auto [upperLow, upperHigh] = pairOf(b, left[2 * m], product);
      auto [lowerLow, lowerHigh] = pairOf(b, left[2 * m + 1], product);
      lefts.push_back({upperLow, lowerLow, upperHigh, lowerHigh});
    }
    for (int64_t n = 0; n < fragmentsAcross; ++n) {
      auto [low, high] = pairOf(b, right[n], product);
      rights.push_back({low, high});
    }
    multiplyAllOf(lefts, rights, sums);
  }
}

/// Chunks of the same channels times their factors.
void MatrixEmitter::scaleChunks(MutableArrayRef<Value> chunks, Value factors) {
  constexpr int64_t kWords = 4;
  auto wordsOf = [&](Value chunk) { return llvm::map_to_vector(llvm::seq<int64_t>(0, kWords), [&](int64_t i) { return b.extractLane(chunk, int(i)); }); };
  SmallVector<Value> factorWords = wordsOf(factors);
  for (Value &chunk : chunks) {
    SmallVector<Value> words = wordsOf(chunk);
    scaleWords(words, factorWords);
    chunk = vector::FromElementsOp::create(b.ops(), chunk.getType(), words);
  }
}

/// Steps beyond the depth, which the last round may have, add nothing: lhs is zero there.
KernelBuilder::Values MatrixEmitter::multiplyDirect() {
  Tensor packed = b.argument(cast<BlockArgument>(p.contraction.unpacked().getOperand()).getArgNumber());
  Value lane = w.rem(thread, 32), warp = w.div(thread, 32), chunkOfLane = w.rem(lane, 4), row = w.div(lane, 4);
  lhs.begin(firstRow, b.dim(p.rows()), row, kChunk, chunkOfLane);
  SmallVector<Value> columnStarts;
  for (int64_t i = 0; i < s.tileColumns; i += kChunk) {
    // Columns that are not there read the last one: nothing of them is stored.
    Index column = b.min(b.add(firstColumn, w.wide(w.add(row, i))), p.packedColumns() - 1);
    columnStarts.push_back(
        LLVM::GEPOp::create(b.ops(), packed.base.getType(), p.unit(), packed.base, ArrayRef<LLVM::GEPArg>{b.value(b.mul(column, p.depth))}));
  }
  auto elementOf = [&](Value step) { return w.mul(w.add(w.mul(step, MatrixSchedule::kDirectStep / kChunk), chunkOfLane), kChunk); };
  // Beyond the depth lhs is zero, and weights those of its begin.
  auto weightAt = [&](Value start, Value step) -> Value {
    Value element = elementOf(step);
    element = w.select(w.below(element, w.i32(p.depth)), element, w.i32(0));
    return LLVM::GEPOp::create(b.ops(), start.getType(), p.unit(), start, ArrayRef<LLVM::GEPArg>{b.value(w.wide(element))});
  };
  auto readColumns = [&](Value step) {
    return llvm::map_to_vector(columnStarts, [&](Value start) { return w.loadConstant(weightAt(start, step)); });
  };

  // Warps take steps in turn: together they read the depth in one sweep.
  Value first = w.add(firstStep, warp);
  KernelBuilder::Values carried;
  SmallVector<SmallVector<Value>> weights;
  for (int64_t ahead = 0; ahead < s.stages; ++ahead)
    weights.push_back(readColumns(w.add(first, ahead * s.warpDepth)));
  int64_t stepsOfWarp = llvm::divideCeil(llvm::divideCeil(p.steps(s), s.splits), s.warpDepth);
  constexpr int64_t kMostPrefetched = 8; // steps, while the kernel before runs
  for (int64_t ahead = s.stages; ahead < std::min(stepsOfWarp, s.stages + kMostPrefetched); ++ahead)
    for (Value start : columnStarts)
      w.prefetch(weightAt(start, w.add(first, ahead * s.warpDepth)));
  readColumnOperands();
  b.waitForInputs();
  beginRowValues();
  readResiduals();
  for (int64_t ahead = 0; ahead < s.stages; ++ahead) {
    llvm::append_range(carried, lhs.read(w.add(first, ahead * s.warpDepth)));
    llvm::append_range(carried, weights[ahead]);
    if (lhs.isScaled())
      carried.push_back(lhs.readScale(w.add(first, ahead * s.warpDepth)));
  }
  int64_t fragments = s.tileRows / kChunk + s.tileColumns / kChunk + (lhs.isScaled() ? 1 : 0); // of a step
  carried.append(fragmentsDown * fragmentsAcross * 4, b.constant(0, p.sum()));

  // A round does one step of every stage, so that each keeps its registers: to move what a load is still to bring would wait for it.
  auto results = b.loop(w.wide(first), w.wide(lastStep), s.warpDepth * s.stages, carried, [&](Index at, ValueRange state) {
    KernelBuilder::Values next(state);
    MutableArrayRef<Value> sums = MutableArrayRef(next).drop_front(fragments * s.stages);
    for (int64_t stage = 0; stage < s.stages; ++stage) {
      MutableArrayRef<Value> left = MutableArrayRef(next).slice(fragments * stage, 2 * fragmentsDown);
      MutableArrayRef<Value> right = MutableArrayRef(next).slice(fragments * stage + 2 * fragmentsDown, fragmentsAcross);
      if (lhs.isScaled())
        scaleChunks(left, next[fragments * (stage + 1) - 1]);
      multiplyFragments(left, right, sums);
      Value coming = w.add(w.narrow(at), (s.stages + stage) * s.warpDepth);
      llvm::copy(lhs.read(coming), left.begin());
      if (lhs.isScaled())
        next[fragments * (stage + 1) - 1] = lhs.readScale(coming);
      Value within = w.below(elementOf(coming), w.i32(p.depth));
      llvm::copy(llvm::map_to_vector(columnStarts, [&](Value start) { return w.loadIf(within, weightAt(start, coming)); }), right.begin());
    }
    return next;
  });
  return KernelBuilder::Values(ArrayRef(results).drop_front(fragments * s.stages));
}

} // namespace tenon::gpu
