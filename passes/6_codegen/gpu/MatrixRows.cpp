// What the products around a norm compute of it: statistics of the rows of a tile before the sums are there, sums of the result's rows at the end.
#include "passes/6_codegen/gpu/MatrixEmitter.h"
#include "passes/6_codegen/gpu/MatrixStore.h"

namespace tenon::gpu {
using namespace mlir;

static constexpr int64_t kFragmentRows = 16;

SmallVector<Index> MatrixEmitter::coordinatesOf(Index row) {
  SmallVector<Index> position = positionOfRow(b, p.contraction, row);
  position.pop_back();
  return position;
}

Value MatrixEmitter::rowValueAt(Value row, size_t pair) {
  int64_t start = s.sharedBytes() + p.scaleBytes(s) + int64_t(pair) * s.rowsOfBlock() * kPairBytes;
  return w.add(w.add(shared, start), w.mul(row, kPairBytes));
}

/// Four threads for each row: the loads are under way before those of the first stages. Where these finish it, too, they keep what they make of it.
void MatrixEmitter::beginRowValues() {
  if (epilogue.rowValues().empty())
    return;
  if (quads) {
    for (int64_t m = 0; m < fragmentsDown; ++m)
      for (int64_t half = 0; half < WarpStore::kRowsOfThread; ++half) {
        Index at =
            b.add(firstRow, w.wide(w.add(w.add(warpPlace().row, w.div(w.rem(thread, 32), kQuad)), m * kFragmentRows + half * kFragmentRows / 2)));
        RowOfBlock &row = rowsOfThread.emplace_back();
        row.statistics = RowStatistics(b, w, epilogue).load(coordinatesOf(b.min(at, b.sub(b.dim(p.rows()), 1))), w.rem(thread, kQuad));
      }
    return;
  }
  int64_t own = s.rowsOfBlock();
  for (int64_t first = 0; first < own; first += s.threads() / kQuad) {
    RowOfBlock row;
    row.number = w.add(w.div(thread, kQuad), first);
    row.isOfBlock = withinTile(w, row.number, first, s.threads() / kQuad, own);
    Index at = b.add(firstRow, w.wide(w.add(w.mul(rank, own), row.number)));
    row.statistics = RowStatistics(b, w, epilogue).load(coordinatesOf(b.min(at, b.sub(b.dim(p.rows()), 1))), w.rem(thread, kQuad));
    rowsOfThread.push_back(std::move(row));
  }
}

void MatrixEmitter::finishRowValues() {
  if (quads)
    return;
  for (RowOfBlock &row : rowsOfThread) {
    SmallVector<Value> scalars = RowStatistics(b, w, epilogue).values(row.statistics);
    if (scalars.size() % 2)
      scalars.push_back(scalars.back());
    Value isFirst = w.below(w.rem(thread, kQuad), w.i32(1));
    b.ifThen(row.isOfBlock ? arith::AndIOp::create(b.ops(), isFirst, row.isOfBlock).getResult() : isFirst, [&] {
      for (size_t pair = 0; 2 * pair < scalars.size(); ++pair) {
        auto type = VectorType::get({2}, b.ops().getF32Type());
        w.store(rowValueAt(row.number, pair), vector::FromElementsOp::create(b.ops(), type, ValueRange{scalars[2 * pair], scalars[2 * pair + 1]}));
      }
    });
  }
}

void MatrixEmitter::provideQuadRows(int64_t fragment) {
  if (rowsOfThread.empty())
    return;
  ArrayRef<RowOfBlock> rows = ArrayRef(rowsOfThread).slice(fragment * WarpStore::kRowsOfThread, WarpStore::kRowsOfThread);
  quads->provideRows(llvm::map_to_vector(rows, [&](const RowOfBlock &row) { return RowStatistics(b, w, epilogue).values(row.statistics); }));
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
