#include "passes/6_codegen/gpu/RowStatistics.h"
#include "passes/6_codegen/cpu/LoopsEvaluator.h"
#include "passes/6_codegen/gpu/MatrixEmitter.h"

namespace tenon::gpu {
using namespace mlir;

RowStatistics::Row RowStatistics::load(ArrayRef<Index> coordinates, Value ofQuad) {
  constexpr int64_t kMostLanes = 4;
  Row row;
  row.coordinates.assign(coordinates.begin(), coordinates.end());
  for (nn::ReduceOp reduce : totals()) {
    Tensor parts = b.tensorOf(reduce.getInput());
    SmallVector<Index> position(coordinates);
    position.push_back(Index(0));
    Index start = b.at(parts, position);
    int64_t count = parts.sizes.back().get(), lanes = parts.strides.back().is(1) ? std::min(kMostLanes, count & -count) : 1;
    SmallVector<Row::Part> &chunks = row.parts.emplace_back();
    for (int64_t chunk = 0; chunk < count / lanes; chunk += kQuad) {
      Value at = w.add(ofQuad, chunk), within = withinTile(w, at, chunk, kQuad, count / lanes);
      Index from = b.add(start, b.mul(b.mul(w.wide(within ? w.select(within, at, w.i32(0)) : at), lanes), parts.strides.back()));
      Value loaded = lanes > 1 ? b.load(parts, from, lanes) : b.load(parts, from);
      chunks.push_back({loaded, within}); // nothing touches it before the sums are there: copies would wait for it
    }
  }
  return row;
}

SmallVector<Value> RowStatistics::values(const Row &row) {
  cpu::Evaluator evaluator(b);
  for (auto [reduce, chunks] : llvm::zip_equal(totals(), row.parts)) {
    Value total;
    for (auto [loaded, within] : chunks) {
      Value chunk = within ? arith::SelectOp::create(b.ops(), within, loaded, b.constant(0, loaded.getType())).getResult() : loaded;
      total = total ? arith::AddFOp::create(b.ops(), total, chunk).getResult() : chunk;
    }
    total = isa<VectorType>(total.getType()) ? b.reduceAdd(total) : total;
    for (int64_t distance = 1; distance < kQuad; distance *= 2)
      total = arith::AddFOp::create(b.ops(), total, w.exchange(total, distance));
    evaluator.provide(reduce.getResult(), [total](const cpu::Place &) { return total; });
  }
  for (nn::ReciprocalOp reciprocal : b.kernelFunc().getBody().front().getOps<nn::ReciprocalOp>())
    if (auto root = reciprocal.getInput().getDefiningOp<nn::SqrtOp>(); root && getElementTypeOrSelf(root.getType()).isF32())
      evaluator.provide(reciprocal.getResult(), [&, root](const cpu::Place &place) mutable { return w.rsqrt(evaluator.at(root.getInput(), place)); });
  cpu::Place place;
  place.index.assign(row.coordinates.begin(), row.coordinates.end());
  place.index.push_back(Index(0));
  return llvm::map_to_vector(epilogue.rowValues(), [&](Value value) { return evaluator.at(value, place); });
}

SmallVector<nn::ReduceOp> RowStatistics::totals() {
  SmallVector<nn::ReduceOp> all;
  for (nn::ReduceOp reduce : b.kernelFunc().getBody().front().getOps<nn::ReduceOp>())
    if (isa<BlockArgument>(reduce.getInput()))
      all.push_back(reduce);
  return all;
}

} // namespace tenon::gpu
