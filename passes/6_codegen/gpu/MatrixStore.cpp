#include "passes/6_codegen/gpu/MatrixStore.h"
#include "passes/6_codegen/gpu/MatrixEmitter.h"

namespace tenon::gpu {
using namespace mlir;

namespace {
constexpr int64_t kChunk = MatrixSchedule::kChunk, kWarp = 32, kWarpRows = 16;
}

SmallVector<Index> positionOfRow(KernelBuilder &b, const cpu::ContractionProblem &c, Index at) {
  SmallVector<Index> position(c.extents.size(), Index(0));
  SmallVector<cpu::RowGroup> groups = c.rowGroups(/*lhsInPlace=*/false); // divisions are dear: axes that are walked as one need none
  for (const cpu::RowGroup &group : llvm::reverse(groups)) {
    bool isFirst = &group == groups.begin();
    Index extent = b.dim(group.extent);
    position[group.carrier] = isFirst ? at : b.rem(at, extent);
    at = isFirst ? at : b.div(at, extent);
  }
  return position;
}

SmallVector<WarpStore::Unit> WarpStore::unitsOf(function_ref<Row(Value)> rowOf) {
  int64_t chunks = piece / kChunk, all = kWarpRows * chunks;
  SmallVector<Unit> units;
  for (int64_t first = 0; first < all; first += kWarp) {
    Value own = w.add(lane, first), inside;
    if (first + kWarp > all) {
      inside = w.below(own, w.i32(all));
      own = w.select(inside, own, w.i32(0));
    }
    Value ofWarp = w.div(own, chunks), column = w.mul(w.rem(own, chunks), kChunk);
    Unit unit{rowOf(ofWarp), w.add(memory, w.mul(w.add(w.mul(ofWarp, pitch), column), 4)), w.wide(column)};
    if (inside)
      unit.row.inside = arith::AndIOp::create(b.ops(), unit.row.inside, inside);
    units.push_back(std::move(unit));
  }
  return units;
}

void WarpStore::store(function_ref<Row(Value)> rowOf, Index firstColumn, int64_t columns, ArrayRef<Value> sums) {
  SmallVector<Unit> units = unitsOf(rowOf);
  for (int64_t first = 0; first < columns; first += piece)
    storePiece(units, b.add(firstColumn, first), sums.slice(first / 2, piece / 2));
}

void WarpStore::writeSums(ArrayRef<Value> sums) {
  auto pair = VectorType::get({2}, p.sum());
  Value to = w.add(memory, w.mul(w.add(w.mul(w.div(lane, 4), pitch), w.mul(w.rem(lane, 4), 2)), 4));
  w.joinWarp(); // the piece before was read
  for (int64_t n = 0; n < piece; n += 8)
    for (int64_t half = 0; half < 2; ++half) {
      int64_t first = n / 2 + half * 2;
      Value both = vector::FromElementsOp::create(b.ops(), pair, ValueRange{sums[first], sums[first + 1]});
      w.store(w.add(to, (half * 8 * pitch + n) * 4), both);
    }
  w.joinWarp();
}

void WarpStore::storePiece(ArrayRef<Unit> units, Index firstColumn, ArrayRef<Value> pieceSums) {
  const cpu::ContractionProblem &c = p.contraction;
  struct Given {
    Value inside, mask, bias;
    SmallVector<Index> position;
    SmallVector<Value> read;
  };
  SmallVector<Given> given;
  for (const Unit &unit : units) { // all reads are on their way together
    Given g;
    Index column = b.add(firstColumn, unit.column);
    Value isColumn = b.lessThan(column, p.columns);
    g.inside = arith::AndIOp::create(b.ops(), unit.row.inside, isColumn);
    g.position = unit.row.position;
    // A multiple of a chunk, as the alignment of loads and stores sees; the first one where there is none.
    g.position.back() = b.mul(b.div(b.select(isColumn, column, Index(0)), kChunk), kChunk);
    g.mask = p.columns % kChunk ? b.tailMask(b.sub(p.columns, g.position.back()), kChunk) : Value();
    if (c.bias) {
      Tensor bias = b.tensorOf(c.bias);
      g.bias = b.convert(b.loadStrided(bias, b.at(bias, {g.position.back()}), bias.strides[0], kChunk, g.mask), p.sum());
    }
    g.read = epilogue.read(kChunk, g.position, g.mask);
    given.push_back(std::move(g));
  }
  writeSums(pieceSums);
  SmallVector<int64_t> order = llvm::to_vector(llvm::seq<int64_t>(0, kChunk));
  Value zero = b.constant(0, b.ops().getF32Type());
  KernelBuilder::Values noParts(epilogue.rowSums().size(), zero);
  for (auto [number, unit, g] : llvm::enumerate(units, given)) {
    Value sums = vector::ShuffleOp::create(b.ops(), w.loadSums(unit.sums, p.factors), w.loadSums(w.add(unit.sums, 16), p.factors), order);
    for (size_t i = 0; i < epilogue.rowValues().size(); ++i)
      epilogue.provide(epilogue.rowValues()[i], rowValues[number][i]);
    auto finish = [&, &g = g] {
      KernelBuilder::Values parts;
      epilogue.store(g.bias ? addSums(b, sums, g.bias) : sums, g.position, g.mask, g.read, [&](nn::ReduceKind kind, Value lanes) {
        parts.push_back(b.reduceAdd(kind == nn::ReduceKind::SumSquare ? arith::MulFOp::create(b.ops(), lanes, lanes).getResult() : lanes));
      });
      return parts;
    };
    if (noParts.empty()) {
      b.ifThen(g.inside, [&] { finish(); });
      continue;
    }
    SmallVector<Type> types(noParts.size(), zero.getType());
    auto parts = b.ifElse(g.inside, types, finish, [&] { return noParts; });
    for (auto [result, part] : llvm::zip_equal(epilogue.rowSums(), parts))
      storeRowSum(result, part, g.inside, g.position);
  }
}

Value WarpStore::rowOfThread(int64_t i) {
  constexpr int64_t kRowsOfWarp = kWarp / RowStatistics::kQuad;
  return w.add(w.div(lane, RowStatistics::kQuad), i * kRowsOfWarp);
}

/// Four neighbouring threads have the elements of one sum, eight each. Whole warps take part, rows that are not there with zeros.
void WarpStore::storeRowSum(unsigned result, Value part, Value inside, ArrayRef<Index> at) {
  constexpr int64_t kQuad = RowStatistics::kQuad;
  for (int64_t distance = 1; distance < kQuad; distance *= 2)
    part = arith::AddFOp::create(b.ops(), part, w.exchange(part, distance));
  Value stores = arith::AndIOp::create(b.ops(), inside, w.below(w.rem(lane, kQuad), w.i32(1)));
  b.ifThen(stores, [&] {
    Tensor sums = b.result(result);
    SmallVector<Index> position(at);
    position.back() = b.div(position.back(), kernel::kRowPart);
    b.store(part, sums, b.at(sums, position));
  });
}

} // namespace tenon::gpu
