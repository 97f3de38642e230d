// What the products around a norm compute of it: statistics of the rows of a tile before the sums are there, sums of the result's rows at the end.
#include "passes/6_codegen/cpu/LoopsEvaluator.h"
#include "passes/6_codegen/gpu/MatrixEmitter.h"
#include "passes/6_codegen/gpu/MatrixStore.h"

namespace tenon::gpu {
using namespace mlir;

SmallVector<Index> MatrixEmitter::coordinatesOf(Index row) {
  SmallVector<Index> position = positionOfRow(b, p.contraction, row);
  position.pop_back();
  return position;
}

Value MatrixEmitter::rowValueAt(Value row, size_t pair) {
  int64_t start = s.sharedBytes() + p.scaleBytes(s) + int64_t(pair) * s.rowsOfBlock() * kPairBytes;
  return w.add(w.add(shared, start), w.mul(row, kPairBytes));
}

/// Four threads for each row: the loads are under way before those of the first stages.
void MatrixEmitter::beginRowValues() {
  if (epilogue.rowValues().empty())
    return;
  constexpr int64_t kMostLanes = 4;
  int64_t own = s.rowsOfBlock();
  for (int64_t first = 0; first < own; first += s.threads() / kQuad) {
    RowStatistics row;
    row.ofBlock = w.add(w.div(thread, kQuad), first);
    row.isOfBlock = withinTile(w, row.ofBlock, first, s.threads() / kQuad, own);
    Index at = b.add(firstRow, w.wide(w.add(w.mul(rank, own), row.ofBlock)));
    row.coordinates = coordinatesOf(b.min(at, b.sub(b.dim(p.rows()), 1)));
    for (nn::ReduceOp reduce : rowTotals()) {
      Tensor parts = b.tensorOf(reduce.getInput());
      SmallVector<Index> position(row.coordinates);
      position.push_back(Index(0));
      Index start = b.at(parts, position);
      int64_t count = parts.sizes.back().get(), lanes = parts.strides.back().is(1) ? std::min(kMostLanes, count & -count) : 1;
      SmallVector<RowStatistics::Part> &chunks = row.parts.emplace_back();
      for (int64_t chunk = 0; chunk < count / lanes; chunk += kQuad) {
        Value at = w.add(w.rem(thread, kQuad), chunk), within = withinTile(w, at, chunk, kQuad, count / lanes);
        Index from = b.add(start, b.mul(b.mul(w.wide(within ? w.select(within, at, w.i32(0)) : at), lanes), parts.strides.back()));
        Value loaded = lanes > 1 ? b.load(parts, from, lanes) : b.load(parts, from);
        chunks.push_back({loaded, within}); // nothing touches it before the sums are there: copies would wait for it
      }
    }
    rowStatistics.push_back(std::move(row));
  }
}

void MatrixEmitter::finishRowValues() {
  ArrayRef<Value> values = epilogue.rowValues();
  for (RowStatistics &row : rowStatistics) {
    cpu::Evaluator evaluator(b);
    for (auto [reduce, chunks] : llvm::zip_equal(rowTotals(), row.parts)) {
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
    SmallVector<Value> scalars = llvm::map_to_vector(values, [&](Value value) { return evaluator.at(value, place); });
    if (scalars.size() % 2)
      scalars.push_back(scalars.back());
    Value isFirst = w.below(w.rem(thread, kQuad), w.i32(1));
    b.ifThen(row.isOfBlock ? arith::AndIOp::create(b.ops(), isFirst, row.isOfBlock).getResult() : isFirst, [&] {
      for (size_t pair = 0; 2 * pair < scalars.size(); ++pair) {
        auto type = VectorType::get({2}, b.ops().getF32Type());
        w.store(rowValueAt(row.ofBlock, pair), vector::FromElementsOp::create(b.ops(), type, ValueRange{scalars[2 * pair], scalars[2 * pair + 1]}));
      }
    });
  }
}

SmallVector<nn::ReduceOp> MatrixEmitter::rowTotals() {
  SmallVector<nn::ReduceOp> totals;
  for (nn::ReduceOp reduce : b.kernelFunc().getBody().front().getOps<nn::ReduceOp>())
    if (isa<BlockArgument>(reduce.getInput()))
      totals.push_back(reduce);
  return totals;
}

void MatrixEmitter::provideRowValues(Value row) {
  ArrayRef<Value> values = epilogue.rowValues();
  for (size_t pair = 0; 2 * pair < values.size(); ++pair) {
    auto [first, second] = w.loadPair(rowValueAt(row, pair));
    epilogue.provide(values[2 * pair], first);
    if (2 * pair + 1 < values.size())
      epilogue.provide(values[2 * pair + 1], second);
  }
}

/// Four neighbouring threads have the elements of one sum, eight each. Whole warps take part, rows that are not there with zeros.
void MatrixEmitter::storeRowSum(unsigned result, Value part, const Unit &u) {
  for (int64_t distance = 1; distance < kQuad; distance *= 2)
    part = arith::AddFOp::create(b.ops(), part, w.exchange(part, distance));
  Value stores = arith::AndIOp::create(b.ops(), u.inside, w.below(w.rem(thread, kQuad), w.i32(1)));
  b.ifThen(stores, [&] {
    Tensor sums = b.result(result);
    SmallVector<Index> position(u.position);
    position.back() = b.div(position.back(), kernel::kRowPart);
    b.store(part, sums, b.at(sums, position));
  });
}

} // namespace tenon::gpu
