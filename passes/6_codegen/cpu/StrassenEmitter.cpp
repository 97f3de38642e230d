#include "passes/6_codegen/cpu/StrassenEmitter.h"
#include "passes/6_codegen/cpu/ContractionEmitter.h"
#include "passes/6_codegen/cpu/Registers.h"

namespace tenon::cpu {
using namespace mlir;
using Values = KernelBuilder::Values;

StrassenEmitter::StrassenEmitter(KernelBuilder &b, const ContractionProblem &p, const StrassenSchedule &s)
    : b(b), p(p), s(s), layout(p, s, b.target()), group(p.rowGroups(false).front()), epilogue(b, p.result), source(b, p.lhs) {
  Type f32 = b.ops().getF32Type();
  packed = b.workspace(f32, 0, {StrassenLayout::kProducts * layout.blockRows * layout.packedPitch});
  panels = b.workspace(f32, layout.panelsOffset, {StrassenLayout::kSums * layout.halfDepth * layout.panelColumns});
  products = b.workspace(f32, layout.productsOffset, {StrassenLayout::kProducts * s.rows * layout.panelColumns});
  if (layout.depthBlocks > 1)
    partial = b.workspace(f32, layout.partialOffset, {2 * layout.blockRows * layout.partialStride});
  weights = b.tensorOf(p.unpacked().getPacked());
}

void StrassenEmitter::emit() {
  Index task = s.rowTasks * s.columnTasks == 1 ? Index(0) : b.task();
  Index columnTask = s.rowTasks == 1 ? task : b.rem(task, s.columnTasks), rowTask = s.rowTasks == 1 ? Index(0) : b.div(task, s.columnTasks);
  auto [firstPair, endPair] = b.share(layout.pairs, s.columnTasks, columnTask);
  auto [first, end] = b.share(layout.blocks, std::min(layout.blocks, s.rowTasks), rowTask);
  b.loop(first, end, 1, [&, firstPair = firstPair, endPair = endPair](Index number) {
    Block rows = block(number);
    auto pass = [&](const Depth &depth) {
      pack(rows, depth);
      b.loop(firstPair, endPair, 1, [&](Index pair) {
        forRowTiles(b, layout.pairRows, s.rows, rows.firstTile, rows.endTile, [&](Index firstRow, int64_t count, Index tileNumber) {
          tile({firstRow, b.sub(firstRow, rows.firstRow), count, b.sub(tileNumber, rows.firstTile)}, pair, firstPair, depth);
        });
      });
    };
    int64_t passes = layout.depthBlocks;
    pass({0, true, passes == 1});
    b.loop(1, passes - 1, 1, [&](Index i) { pass({i, false, false}); });
    if (passes > 1)
      pass({passes - 1, false, true});
  });
}

StrassenEmitter::Block StrassenEmitter::block(Index number) {
  auto [first, end] = b.share(layout.tiles, layout.blocks, number);
  int64_t low = layout.pairRows / layout.tiles, larger = layout.pairRows % layout.tiles;
  return {first, end, b.add(b.mul(first, low), b.min(first, larger))};
}

/// The sums of the rows' quarters as [tile][product][row][k].
void StrassenEmitter::pack(const Block &block, const Depth &depth) {
  int64_t rowElements = StrassenLayout::kProducts * layout.packedPitch;
  forRowTiles(b, layout.pairRows, s.rows, block.firstTile, block.endTile, [&](Index first, int64_t rows, Index) {
    Index to = b.add(packed.offset, b.mul(b.sub(first, block.firstRow), rowElements));
    b.loop(0, rows, 1, [&](Index r) { packRow(b.add(first, r), b.add(to, b.mul(r, layout.packedPitch)), rows, depth); });
  });
}

void StrassenEmitter::packRow(Index row, Index to, int64_t rows, const Depth &depth) {
  Registers r{b};
  int64_t half = layout.halfDepth, lanes = std::gcd(layout.lanes, half);
  // The partner of the last of an odd number of rows may be any row: its products are not stored, and cancel elsewhere.
  SmallVector<Index> upper = lhsPosition(row), lower = lhsPosition(b.min(b.add(row, layout.pairRows), layout.rows - 1));
  Index start = b.mul(depth.number, s.depthBlock);
  auto read = [&](SmallVector<Index> position, Index k) {
    position[p.lhsChannel] = b.add(position[p.lhsChannel], b.add(start, k));
    return source.load(position, lanes, p.lhsChannel);
  };
  b.loop(0, half, lanes, [&](Index k) {
    Value a11 = read(upper, k), a12 = read(upper, b.add(k, half)), a21 = read(lower, k), a22 = read(lower, b.add(k, half));
    Value s1 = r.add(a21, a22), s2 = r.sub(s1, a11), s3 = r.sub(a11, a21), s4 = r.sub(a12, s2);
    for (auto [product, value] : llvm::enumerate(Values{s1, s3, s2, a22, a11, a12, s4}))
      b.store(value, packed, b.sum(to, k, int64_t(product) * rows * layout.packedPitch));
  });
}

/// The position in lhs of a row at k = 0; merged axes are taken apart.
SmallVector<Index> StrassenEmitter::lhsPosition(Index row) {
  SmallVector<Index> rows(p.rowAxes(), 0), position;
  rows[group.carrier] = row;
  for (int axis = group.carrier; axis > 0; --axis) {
    Index merged = rows[axis], extent = b.dim(p.extents[axis]);
    rows[axis] = b.rem(merged, extent);
    rows[axis - 1] = b.div(merged, extent);
  }
  for (const LhsAxis &axis : p.lhsAxes)
    position.push_back(axis.rowAxis < 0 ? Index(axis.shift) : b.add(b.mul(rows[axis.rowAxis], axis.rowScale), axis.shift));
  return position;
}

void StrassenEmitter::tile(const Tile &tile, Index pair, Index firstPair, const Depth &depth) {
  auto at = [&](Index product, Index row, int64_t x) {
    return b.sum(products.offset, b.mul(b.add(b.mul(product, s.rows), row), layout.panelColumns), x * layout.lanes);
  };
  b.loop(0, tile.rows, 1, [&](Index row) {
    for (int64_t lower = 0; lower < 2; ++lower)
      for (int64_t x = 0; x < 2 * s.vectors; ++x) {
        if (depth.last)
          epilogue.prefetch(resultPosition(tile, pair, row, lower, x));
        if (!depth.first)
          b.prefetch(partial, partialAt(tile, pair, firstPair, row, lower, x));
      }
  });
  // Loops over products and over rows: code of every product and of every row's epilogue would not stay in the instruction cache.
  auto multiply = [&](Index number, const RhsAddress &right) {
    Values sums = product(tile, pair, depth, number, right);
    for (int64_t r = 0; r < tile.rows; ++r)
      for (int64_t x = 0; x < s.vectors; ++x)
        b.store(sums[r * s.vectors + x], products, at(number, r, x));
  };
  auto stored = [&](Index quarter) { return RhsAddress{weights, quarterAt(pair, depth, quarter), {}, layout.panelColumns, 1, {}}; };
  auto summed = [&](Index number) { return RhsAddress{panels, panelAt(number), {}, layout.panelColumns, 1, {}}; };
  auto difference = [&](Index number, Index quarter, const RhsAddress &minus) {
    RhsAddress right = stored(quarter);
    right.difference = RhsAddress::Difference{minus.memory, minus.base, panels, panelAt(number)};
    multiply(number, right);
  };
  auto sumAndMultiply = [&] {
    b.loop(0, 2, 1, [&](Index i) { difference(i, b.add(b.mul(i, 2), 1), stored(i)); });               // T1 = B12 - B11, T3 = B22 - B12
    b.loop(0, 2, 1, [&](Index i) { difference(b.add(i, 2), b.sub(3, i), summed(b.mul(i, 2))); });     // T2 = B22 - T1, T4 = B21 - T2
  };
  b.ifThen(b.equal(tile.number, 0), sumAndMultiply, [&] {
    b.loop(0, StrassenLayout::kSums, 1, [&](Index number) { multiply(number, summed(number)); });
  });
  b.loop(StrassenLayout::kSums, StrassenLayout::kProducts, 1, [&](Index number) { // B11, B21, B22
    Index other = b.sub(number, StrassenLayout::kSums);
    multiply(number, stored(b.add(other, b.min(other, 1))));
  });
  b.loop(0, tile.rows, 1, [&](Index row) {
    Registers r{b};
    SmallVector<Values> quarters(StrassenLayout::kQuarters);
    for (int64_t x = 0; x < s.vectors; ++x) {
      Values p;
      for (int64_t number = 0; number < StrassenLayout::kProducts; ++number)
        p.push_back(b.load(products, at(number, row, x), layout.lanes));
      auto [s1t1, s3t3, s2t2, a22t4, a11b11, a12b21, s4b22] = std::tuple(p[0], p[1], p[2], p[3], p[4], p[5], p[6]);
      Value u2 = r.add(a11b11, s2t2), u3 = r.add(u2, s3t3);
      for (auto [quarter, sum] : llvm::enumerate(Values{r.add(a11b11, a12b21), r.add(r.add(u2, s1t1), s4b22), r.add(u3, a22t4), r.add(u3, s1t1)}))
        quarters[quarter].push_back(sum);
    }
    auto store = [&](int64_t lower) {
      for (int64_t x = 0; x < 2 * s.vectors; ++x)
        finish(tile, pair, firstPair, depth, row, lower, x, quarters[2 * lower + x / s.vectors][x % s.vectors]);
    };
    store(0);
    if (layout.rows % 2) // the last row has no partner
      b.ifThen(b.lessThan(b.add(tile.firstRow, row), layout.rows - layout.pairRows), [&] { store(1); });
    else
      store(1);
  });
}

/// Where a quarter of a pair of panels begins: B11, B12, B21, B22.
Index StrassenEmitter::quarterAt(Index pair, const Depth &depth, Index number) {
  Index matrix = b.add(b.mul(depth.number, layout.pairs), pair);
  return b.add(weights.offset, b.mul(b.add(b.mul(matrix, StrassenLayout::kQuarters), number), layout.halfDepth * layout.panelColumns));
}

/// Where one of the sums of a pair's quarters begins: T1, T3, T2, T4, the right operands of the first products.
Index StrassenEmitter::panelAt(Index number) {
  return b.add(panels.offset, b.mul(number, layout.halfDepth * layout.panelColumns));
}

/// The quarters of the next pair, spread over the products of the tiles.
PrefetchStream StrassenEmitter::nextPair(const Tile &tile, Index pair, const Depth &depth, Index number) {
  if (!s.prefetch)
    return {};
  constexpr int64_t kLine = 16, kMostLines = 4, kProducts = StrassenLayout::kProducts;
  int64_t iterations = layout.halfDepth / layout.unroll, tiles = llvm::divideCeil(layout.tiles, layout.blocks);
  int64_t lines = llvm::divideCeil(StrassenLayout::kQuarters * layout.halfDepth * layout.panelColumns, kLine);
  int64_t each = std::min<int64_t>(llvm::divideCeil(lines, tiles * kProducts * iterations), kMostLines);
  int64_t useful = llvm::divideCeil(lines, iterations * each);
  Index part = b.min(b.add(b.mul(tile.number, kProducts), number), useful - 1);
  return {weights, b.add(quarterAt(b.add(pair, 1), depth, 0), b.mul(part, iterations * each * kLine)), each};
}

Values StrassenEmitter::product(const Tile &tile, Index pair, const Depth &depth, Index number, const RhsAddress &right) {
  int64_t pitch = layout.packedPitch;
  TileShape shape{tile.rows, s.vectors, layout.lanes, {}, {}, layout.halfDepth, layout.unroll, packed.element};
  LhsAddress left{packed, b.sum(packed.offset, b.mul(tile.packedRow, StrassenLayout::kProducts * pitch), b.mul(number, tile.rows * pitch)), {}, {}, 1, 1};
  for (int64_t r = 0; r < tile.rows; ++r)
    left.rows.push_back(r * pitch);
  Values zero(tile.rows * s.vectors, b.constant(0.0, VectorType::get({layout.lanes}, packed.element)));
  return emitTile(b, shape, left, right, nextPair(tile, pair, depth, number), zero);
}

/// The position in the result of vector `x` of both panels, in a tile's row or (`lower`) its partner's.
SmallVector<Index> StrassenEmitter::resultPosition(const Tile &tile, Index pair, Index row, int64_t lower, int64_t x) {
  SmallVector<Index> position(p.rowAxes(), 0);
  position[group.carrier] = b.sum(tile.firstRow, lower * layout.pairRows, row);
  position.push_back(b.add(b.mul(pair, 2 * layout.panelColumns), x * layout.lanes));
  return position;
}

/// The same in the partial sums.
Index StrassenEmitter::partialAt(const Tile &tile, Index pair, Index firstPair, Index row, int64_t lower, int64_t x) {
  Index packedRow = b.sum(tile.packedRow, lower * layout.blockRows, row), column = b.mul(b.sub(pair, firstPair), 2 * layout.panelColumns);
  return b.sum(partial.offset, b.mul(packedRow, layout.partialStride), column, x * layout.lanes);
}

/// Adds what earlier depth blocks gave to a vector of the tile's result, and keeps that or, after the last block, stores it.
void StrassenEmitter::finish(const Tile &tile, Index pair, Index firstPair, const Depth &depth, Index row, int64_t lower, int64_t x, Value sum) {
  Registers r{b};
  Index kept = layout.depthBlocks > 1 ? partialAt(tile, pair, firstPair, row, lower, x) : Index(0);
  if (!depth.first)
    sum = r.add(sum, b.load(partial, kept, layout.lanes));
  if (!depth.last)
    return b.store(sum, partial, kept);
  SmallVector<Index> position = resultPosition(tile, pair, row, lower, x);
  if (p.bias) {
    Tensor bias = b.tensorOf(p.bias);
    sum = r.add(sum, b.convert(b.loadStrided(bias, b.at(bias, {position.back()}), bias.strides[0], layout.lanes), packed.element));
  }
  epilogue.store(sum, position);
}

} // namespace tenon::cpu
