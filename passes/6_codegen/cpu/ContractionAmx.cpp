// Tiles of a contraction in tile registers.
#include "passes/6_codegen/cpu/ContractionEmitter.h"
#include <functional>

namespace tenon::cpu {
using namespace mlir;
using Values = KernelBuilder::Values;

TileProduct ContractionEmitter::tileProduct() {
  // Which taps join with the depth is the same for all tiles: no address of a real one is needed.
  TileShape shape;
  shape.depth = blockDepth;
  LhsAddress left = lhsAddress({}, {}, {});
  RhsAddress right = rhsAddress({}, {}, {});
  mergeTaps(shape, {}, {}, left, right);
  TileProduct found;
  found.rowTiles = s.lines > 1 ? s.lines : llvm::divideCeil(s.rows, TileProduct::kRows);
  found.columnTiles = s.vectors;
  found.rows = s.rows / found.rowTiles;
  found.bfloat = p.bfloat;
  found.units = TileProduct::stepOf(shape.depth.get());
  return found;
}

/// Tiles of one size, which the registers' shapes want. The last one of a line, or of lines, begins early where these are no multiple of it.
void ContractionEmitter::equalTilesOf(const Block &block, llvm::function_ref<void(const TileRows &)> body) {
  int64_t length = s.rows / s.lines; // of a tile in a line
  // Where the part `t` of `size` begins, and how much of it the one before has.
  auto part = [&](int64_t total, int64_t size, Index t) -> std::pair<Index, Index> {
    Index planned = b.mul(t, size);
    if (total % size == 0)
      return {planned, 0};
    Index first = b.min(planned, total - size);
    return {first, b.sub(planned, first)};
  };
  auto along = [&](int64_t total, Index begin, Index end, llvm::function_ref<TileRows(Index, Index)> tile) {
    b.loop(begin, end, 1, [&](Index t) {
      auto [first, done] = part(total, length, t);
      TileRows rows = tile(first, t);
      rows.done = done;
      body(rows);
    });
  };
  if (!s.boxed())
    return along(block.total.get(), block.firstTile, block.endTile, [&](Index first, Index t) { return runTile(block, first, s.rows, b.sub(t, block.firstTile)); });
  int64_t width = block.width.get(), across = llvm::divideCeil(width, length);
  b.loop(0, s.lines > 1 ? Index(llvm::divideCeil(block.height.get(), s.lines)) : block.height, 1, [&](Index i) {
    auto [y, linesDone] = s.lines > 1 ? part(block.height.get(), s.lines, i) : std::pair<Index, Index>(i, 0);
    along(width, 0, across, [&, y = y, linesDone = linesDone](Index first, Index t) {
      TileRows tile = boxTile(block, b.add(b.mul(y, width), first), length, b.add(b.mul(i, across), t), [&](int64_t r) { return std::pair<Index, Index>(y, b.add(first, r)); });
      tile.linesDone = linesDone;
      return tile;
    });
  });
}

void ContractionEmitter::tileInRegisters(const Block &block, const Panel &panel, const TileRows &rows, const DepthBlock &depth) {
  TileShape shape{s.rows, panel.vectors, layout.lanes, {}, {}, blockDepth, product.units, element, s.vectors, p.dot};
  LhsAddress left = lhsAddress(panel, rows, depth);
  RhsAddress right = rhsAddress(block, panel, depth);
  mergeTaps(shape, block, rows, left, right);
  PrefetchStream ahead = nextPanel(block, panel, rows, depth, shape);
  int axis = s.boxed() ? p.rowAxes() - 1 : layout.groups.back().carrier;
  Index rowStride = lhsStride(axis), tileStride = s.lines > 1 ? lhsStride(axis - 1) : b.mul(rowStride, product.rows);
  TileProduct tile = product;
  tile.used = panel.vectors;

  constexpr int64_t kLineUnits = 16;
  int64_t steps = shape.depth.get() / tile.units, stepLines = ahead.lines * kLineUnits;
  auto multiply = [&](Index lhsBase, Index rhsBase, Index lines) {
    b.loop(0, steps, 1, [&](Index i) {
      for (int64_t line = 0; line < ahead.lines; ++line)
        b.prefetch(ahead.memory, b.sum(lines, b.mul(i, stepLines), line * kLineUnits));
      Index k = b.mul(i, tile.units);
      tile.multiply(b, left.memory, b.add(lhsBase, b.mul(k, left.depth)), rowStride, tileStride, right.memory, b.add(rhsBase, b.mul(k, right.depth)), right.depth);
    });
  };
  std::function<void(size_t, Index, Index, Index)> overTaps = [&](size_t tapAxis, Index lhsBase, Index rhsBase, Index lines) {
    if (tapAxis == shape.taps.size())
      return multiply(lhsBase, rhsBase, lines);
    int64_t inner = steps * stepLines;
    for (size_t i = tapAxis + 1; i < shape.taps.size(); ++i)
      inner *= shape.taps[i];
    b.loop(0, shape.taps[tapAxis], 1, [&](Index tap) {
      overTaps(tapAxis + 1, b.add(lhsBase, b.mul(tap, left.taps[tapAxis])), b.add(rhsBase, b.mul(tap, right.taps[tapAxis])), b.add(lines, b.mul(tap, inner)));
    });
  };
  tile.clear(b);
  overTaps(0, left.base, right.base, ahead.base);
  tile.store(b, tileSums);

  Values bias = initial(panel, 1, depth);
  int64_t length = s.rows / s.lines;
  auto finishRow = [&](Index line, Index along) {
    Index r = b.add(b.mul(line, length), along);
    SmallVector<Index> position = rows.positions.front();
    position[axis] = b.add(position[axis], along);
    if (s.lines > 1)
      position[axis - 1] = b.add(position[axis - 1], line);
    position.push_back(panel.column);
    auto positionOf = [&](int64_t x) {
      position.back() = b.add(panel.column, x * layout.lanes);
      return position;
    };
    auto maskOf = [&](int64_t x) { return x == panel.vectors - 1 ? panel.mask : Value(); };
    Values sums;
    for (int64_t x = 0; x < panel.vectors; ++x) {
      Value sum = b.load(tileSums, b.sum(tileSums.offset, b.mul(r, s.vectors * layout.lanes), x * layout.lanes), layout.lanes);
      sums.push_back(emitAdd(b, sum, bias[x]));
    }
    if (epilogue.storesTogether(layout.lanes))
      return epilogue.storeTogether(sums, panel.vectors, positionOf, maskOf);
    for (int64_t x = 0; x < panel.vectors; ++x)
      epilogue.store(sums[x], positionOf(x), maskOf(x));
  };
  b.loop(rows.linesDone, s.lines, 1, [&](Index line) { b.loop(rows.done, length, 1, [&](Index along) { finishRow(line, along); }); });
}

} // namespace tenon::cpu
