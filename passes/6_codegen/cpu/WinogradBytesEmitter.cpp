#include "passes/6_codegen/cpu/WinogradBytesEmitter.h"
#include "passes/6_codegen/cpu/ByteRegisters.h"
#include "passes/6_codegen/cpu/DotBytes.h"
#include "passes/6_codegen/cpu/Registers.h"
#include "passes/6_codegen/cpu/WinogradTransforms.h"
#include <numeric>

namespace tenon::cpu {
using namespace mlir;
using Values = KernelBuilder::Values;

constexpr int64_t kFour = 4; // bytes that are copied as one element
constexpr int64_t kLineBytes = 64;

WinogradBytesEmitter::WinogradBytesEmitter(KernelBuilder &b, const ContractionProblem &p, const WinogradBytesSchedule &s)
    : b(b), p(p), s(s), layout(p, s, b.target()), epilogue(b, p.result), source(b.tensorOf(p.lhs)), isReadable(layout.depth == layout.paddedDepth),
      tiles(b.dim(layout.tiles)) {
  input = b.workspace(b.ops().getI16Type(), 0, {layout.inputPoints * layout.inputPlane});
  output = b.workspace(b.ops().getI32Type(), layout.outputOffset, {layout.points * layout.outputPlane});
  patch = b.workspace(source.element, layout.patchOffset, {layout.inputPoints * layout.paddedDepth});
  filters = b.workspace(b.ops().getI32Type(), layout.filterOffset, {layout.filterRows * layout.filterEdge * layout.filterPlane});
  weights = b.tensorOf(p.unpacked().getPacked());
  group = groupOf();
}

void WinogradBytesEmitter::emit() {
  forWinogradBlocks(
      b, layout.blocks, layout.columnBlocks, s.tileTasks, s.columnTasks, [&](Index block) { transformInput(block); },
      [&](Index block, Index columnBlock) {
        multiply(columnBlock);
        transformOutput(block, columnBlock);
      });
}

/// Blocks have one size, so that their loops do too: after the last tile the last block transforms it again.
void WinogradBytesEmitter::transformInput(Index block) {
  Registers r{b};
  Type wide = VectorType::get({layout.channelLanes}, input.element);
  auto transformed = [&](const Values &d) { return layout.stride == 1 ? winogradIntegerInput(b, s.m, d) : winogradStridedInput(b, d); };
  b.loop(0, s.tiles, 1, [&](Index i) {
    Index tile = b.min(b.add(b.mul(block, s.tiles), i), b.sub(tiles, 1));
    WinogradPatch from = patchAt(WinogradPlace::of(b, layout, s.m, tile));
    b.loop(0, layout.paddedDepth, layout.channelLanes, [&](Index channel) {
      SmallVector<Values> columns;
      for (int64_t x = 0; x < layout.inputEdge; ++x) {
        Values column;
        for (int64_t y = 0; y < layout.inputEdge; ++y)
          column.push_back(r.zext(b.load(from.memory, b.sum(from.offset, b.mul(from.row, y), b.mul(from.column, x), channel), layout.channelLanes), wide));
        columns.push_back(transformed(column));
      }
      Index to = b.sum(input.offset, b.mul(i, layout.paddedDepth), channel);
      for (int64_t y = 0; y < layout.inputEdge; ++y) {
        Values row;
        for (const Values &column : columns)
          row.push_back(column[y]);
        for (auto [x, value] : llvm::enumerate(transformed(row)))
          b.store(value, input, b.add(to, (y * layout.inputEdge + int64_t(x)) * layout.inputPlane));
      }
    });
  });
}

WinogradPatch WinogradBytesEmitter::patchAt(const WinogradPlace &place) {
  Index top = b.add(b.mul(place.y, layout.stride), p.lhsAxes[1].shift), left = b.add(b.mul(place.x, layout.stride), p.lhsAxes[2].shift);
  return WinogradPatch::of(b, p, layout, isReadable ? &source : nullptr, patch, layout.inputEdge, layout.paddedDepth, {place.image, top, left},
                           [&] { copyPatch(place, top, left); });
}

/// Copies fours of bytes, which divide all strides: vectors of them can be masked on every machine.
void WinogradBytesEmitter::copyPatch(const WinogradPlace &place, Index top, Index left) {
  SmallVector<Index> sizes = b.sizesOf(p.lhs);
  Tensor from = inFours(b, source), to = inFours(b, patch);
  Value outside = b.splat(fourOf(b, p.outside), layout.lanes);
  int64_t paddedFours = llvm::divideCeil(layout.paddedDepth, kFour);
  b.loop(0, layout.inputEdge, 1, [&](Index i) {
    b.loop(0, layout.inputEdge, 1, [&](Index j) {
      Index y = b.add(top, b.mul(i, layout.dilationDown)), x = b.add(left, b.mul(j, layout.dilationAcross));
      Index first = b.add(to.offset, b.mul(b.add(b.mul(i, layout.inputEdge), j), paddedFours));
      Value inside = b.lessThan(-1, y);
      for (Value condition : {b.lessThan(y, sizes[1]), b.lessThan(-1, x), b.lessThan(x, sizes[2])})
        inside = arith::AndIOp::create(b.ops(), inside, condition);
      auto copy = [&](llvm::function_ref<Value(Index, Value)> load) {
        b.lanesLoop(layout.depth / kFour, layout.lanes, [&](Index four, Value mask) { b.storeMasked(load(four, mask), to, b.add(first, four), mask); });
      };
      b.ifThen(
          inside,
          [&] {
            Index pixel = b.at(from, {place.image, y, x, 0});
            copy([&](Index four, Value mask) { return b.loadMasked(from, b.add(pixel, four), layout.lanes, mask); });
          },
          [&] { copy([&](Index, Value) { return outside; }); });
    });
  });
}

/// Row `row` of the points of a panel's filters, which are bytes in the plan: a vector holds two channels of as many columns as sums have lanes.
void WinogradBytesEmitter::transformFilters(Index panel, int64_t row) {
  constexpr int64_t kTaps = 3, kPair = 2;
  Registers r{b};
  Type wide = VectorType::get({layout.channelLanes}, input.element), pairsOf = VectorType::get({layout.lanes}, filters.element);
  auto transformed = [&](const Values &g) { return layout.stride == 1 ? winogradIntegerFilter(b, s.m, g) : winogradStridedFilter(b, g); };
  const int64_t ofPair = kTaps * kTaps * kPair * layout.panelColumns;
  Index first = b.add(weights.offset, b.mul(panel, layout.pairs * ofPair));
  b.loop(0, layout.pairs, 1, [&](Index pair) {
    Index from = b.add(first, b.mul(pair, ofPair));
    // The next panel's bytes arrive a line for each row.
    if (s.prefetch && row * kLineBytes < ofPair)
      b.prefetch(weights, b.sum(from, layout.pairs * ofPair, row * kLineBytes));
    Index to = b.sum(filters.offset, b.mul(pair, layout.panelColumns), row % layout.filterRows * layout.filterEdge * layout.filterPlane);
    for (int64_t v = 0; v < s.vectors; ++v) {
      Values points;
      for (int64_t x = 0; x < kTaps; ++x) {
        Values taps;
        for (int64_t y = 0; y < kTaps; ++y) {
          Index at = b.add(from, (y * kTaps + x) * kPair * layout.panelColumns + v * layout.channelLanes);
          taps.push_back(arith::ExtSIOp::create(b.ops(), wide, b.load(weights, at, int(layout.channelLanes))));
        }
        points.push_back(transformed(taps)[row]);
      }
      for (auto [x, value] : llvm::enumerate(transformed(points)))
        b.store(vector::BitCastOp::create(b.ops(), cast<VectorType>(pairsOf), value), filters, b.add(to, int64_t(x) * layout.filterPlane + v * layout.lanes));
    }
  });
}

/// output[point] = input[point] x filters[point] for all points; with stride 2 the sum over even and odd inputs. A panel's filters are transformed just before
/// they are multiplied, row by row, so that they do not leave the L1.
void WinogradBytesEmitter::multiply(Index columnBlock) {
  Index firstPanel = b.mul(columnBlock, s.panels);
  b.loop(0, inBlock(b, layout.panels, firstPanel, s.panels), 1, [&](Index panel) {
    Index number = b.add(firstPanel, panel);
    if (layout.stride == 2)
      for (int64_t row = 0; row < layout.filterEdge; ++row)
        transformFilters(number, row);
    b.loop(0, layout.edge, 1, [&](Index y) {
      for (int64_t row = 0; layout.stride == 1 && row < layout.filterEdge; ++row)
        b.ifThen(b.equal(y, row), [&] { transformFilters(number, row); });
      b.loop(0, layout.edge, 1, [&](Index x) { multiplyPoint({y, x}, panel); });
    });
  });
}

/// Of one panel of a block of columns.
void WinogradBytesEmitter::multiplyPoint(std::array<Index, 2> point, Index panel) {
  constexpr int64_t kPair = 2;
  int64_t rowTiles = llvm::divideCeil(s.tiles, s.rows);
  Value zero = b.constant(0.0, VectorType::get({layout.lanes}, output.element));
  Tensor pairs = b.workspace(filters.element, 0, {layout.inputPoints * layout.inputPlane / kPair}); // of the transformed input
  Index source = b.add(pairs.offset, b.mul(b.add(b.mul(point[0], layout.inputEdge), point[1]), layout.inputPlane / kPair));
  Index filterRow = layout.filterRows == 1 ? Index(0) : point[0];
  Index filter = b.add(filters.offset, b.mul(b.add(b.mul(filterRow, layout.filterEdge), point[1]), layout.filterPlane));
  Index sums = b.sum(output.offset, b.mul(b.add(b.mul(point[0], layout.edge), point[1]), layout.outputPlane), b.mul(panel, layout.panelColumns));
  forRowTiles(b, s.tiles, s.rows, 0, rowTiles, [&](Index first, int64_t rows, Index) {
    TileShape shape{rows, s.vectors, layout.lanes, {}, {}, layout.pairs, std::min(s.unroll, layout.pairs), output.element, 0, kPair};
    LhsAddress left{pairs, b.add(source, b.mul(first, layout.paddedDepth / kPair)), {}, {}, 1, 1};
    for (int64_t r = 0; r < rows; ++r)
      left.rows.push_back(r * layout.paddedDepth / kPair);
    RhsAddress right{filters, filter, {}, layout.panelColumns, 1, {}, {}};
    if (layout.stride == 2)
      addParities(point, shape, left, right);
    Values products = emitTile(b, shape, left, right, {}, Values(rows * s.vectors, zero));
    Index to = b.add(sums, b.mul(first, layout.blockColumns));
    for (int64_t r = 0; r < rows; ++r)
      for (int64_t v = 0; v < s.vectors; ++v)
        b.store(products[r * s.vectors + v], output, b.add(to, r * layout.blockColumns + v * layout.lanes));
  });
}

/// Sums over even and odd inputs along both axes, as over two taps. Point p of the odd ones is the one `edge` behind; all have the last points of the filter.
/// There is none at infinity.
void WinogradBytesEmitter::addParities(std::array<Index, 2> point, TileShape &shape, LhsAddress &left, RhsAddress &right) {
  constexpr int64_t kPair = 2;
  int64_t inputStep[] = {layout.inputEdge, 1}, filterStep[] = {layout.filterEdge, 1};
  for (int axis = 0; axis < 2; ++axis) {
    shape.taps.push_back(2);
    shape.live.push_back({0, b.select(b.lessThan(point[axis], layout.edge - 1), 2, 1)});
    left.taps.push_back(layout.edge * inputStep[axis] * layout.inputPlane / kPair);
    right.taps.push_back(b.mul(b.sub(layout.edge, point[axis]), filterStep[axis] * layout.filterPlane));
  }
}

/// The outputs of a tile go to the first m x m planes, in place of its points; then pixel by pixel, or a few of them at once, through the epilogue,
/// which is emitted once.
void WinogradBytesEmitter::transformOutput(Index block, Index columnBlock) {
  Index firstColumn = b.mul(columnBlock, layout.blockColumns), count = inBlock(b, layout.columns, firstColumn, layout.blockColumns);
  Index height = b.dim(p.extents[1]), width = b.dim(p.extents[2]), firstTile = b.mul(block, s.tiles);
  b.loop(0, b.min(s.tiles, b.sub(tiles, firstTile)), 1, [&](Index i) {
    Index row = b.add(output.offset, b.mul(i, layout.blockColumns));
    b.loop(0, count, layout.lanes, [&](Index column) { transformOutputs(b.add(row, column)); });
    WinogradPlace to = WinogradPlace::of(b, layout, s.m, b.add(firstTile, i));
    auto outputs = [&](Index size, Index first, int64_t dilation) { return b.min(s.m, b.div(b.add(b.sub(size, first), dilation - 1), dilation)); };
    Index across = isWidthWhole() ? Index(s.m) : outputs(width, to.x, layout.dilationAcross);
    b.loop(0, outputs(height, to.y, layout.dilationDown), 1, [&](Index y) {
      b.loop(0, across, group.pixels, [&](Index x) {
        Index from = b.add(row, b.mul(b.add(b.mul(y, s.m), x), layout.outputPlane));
        SmallVector<Index> pixel{to.image, b.add(to.y, b.mul(y, layout.dilationDown)), b.add(to.x, b.mul(x, layout.dilationAcross))};
        group.together ? storeTogether(from, pixel, firstColumn, count) : storePixel(from, pixel, firstColumn, count);
      });
    });
  });
}

/// One vector of columns of one tile.
void WinogradBytesEmitter::transformOutputs(Index at) {
  auto transformed = [&](const Values &x) { return layout.stride == 1 ? winogradIntegerOutput(b, s.m, x) : winogradStridedOutput(b, x); };
  auto shift = [&](int64_t i) { return layout.stride == 1 ? winogradShifts(s.m)[i] : 1; };
  SmallVector<Values> columns;
  for (int64_t x = 0; x < layout.edge; ++x) {
    Values points;
    for (int64_t y = 0; y < layout.edge; ++y)
      points.push_back(b.load(output, b.add(at, (y * layout.edge + x) * layout.outputPlane), layout.lanes));
    columns.push_back(transformed(points));
  }
  for (int64_t y = 0; y < s.m; ++y) {
    Values points;
    for (const Values &values : columns)
      points.push_back(values[y]);
    for (auto [x, value] : llvm::enumerate(transformed(points)))
      b.store(sumOf(value, shift(y) + shift(int64_t(x))), output, b.add(at, (y * s.m + int64_t(x)) * layout.outputPlane));
  }
}

/// The sum behind 9 * 2^shift or 2^shift times it, modulo 2^32.
Value WinogradBytesEmitter::sumOf(Value scaled, int64_t shift) {
  constexpr int64_t kInverseOf9 = 0x38E38E39; // 9 * 0x38E38E39 = 2 * 2^32 + 1
  Registers r{b};
  if (s.m == 4)
    scaled = r.muli(scaled, r.integer(kInverseOf9, scaled.getType()));
  return r.shrSigned(scaled, shift);
}

/// Whether all tiles have m outputs across.
bool WinogradBytesEmitter::isWidthWhole() const {
  std::optional<int64_t> width = p.extents[2].asConstant();
  return width && layout.dilationAcross == 1 && *width % s.m == 0;
}

/// As many registers as are stored together: neighbours of one pixel, where their number divides every block's, and of neighbouring pixels.
WinogradBytesEmitter::Group WinogradBytesEmitter::groupOf() const {
  if (!epilogue.storesTogether(layout.lanes) || layout.columns % layout.lanes)
    return {};
  int64_t columns = layout.columnBlocks == 1 ? layout.columns : std::gcd(layout.columns, layout.blockColumns);
  int64_t vectors = std::gcd(columns / layout.lanes, kTogether);
  return {true, vectors, isWidthWhole() ? std::min(kTogether / vectors, s.m) : 1};
}

/// The sums of one vector of columns with their bias.
Value WinogradBytesEmitter::sumsAt(Index from, Index column, Value mask) {
  Value sums = b.load(output, from, layout.lanes);
  if (!p.bias)
    return sums;
  Tensor bias = b.tensorOf(p.bias);
  Value added = b.loadStrided(bias, b.at(bias, {column}), bias.strides[0], layout.lanes, mask);
  return Registers{b}.addi(sums, b.convert(added, output.element));
}

void WinogradBytesEmitter::storePixel(Index from, ArrayRef<Index> pixel, Index firstColumn, Index count) {
  b.lanesLoop(count, layout.lanes, [&](Index column, Value mask) {
    SmallVector<Index> position(pixel);
    position.push_back(b.add(firstColumn, column));
    epilogue.store(sumsAt(b.add(from, column), position.back(), mask), position, mask);
  });
}

/// Stores a group's pixels, from `pixel` on.
void WinogradBytesEmitter::storeTogether(Index from, ArrayRef<Index> pixel, Index firstColumn, Index count) {
  b.loop(0, count, group.vectors * layout.lanes, [&](Index column) {
    auto columnOf = [&](int64_t i) { return b.add(column, i % group.vectors * layout.lanes); };
    auto position = [&](int64_t i) {
      return SmallVector<Index>{pixel[0], pixel[1], b.add(pixel[2], i / group.vectors), b.add(firstColumn, columnOf(i))};
    };
    Values sums;
    for (int64_t i = 0; i < group.pixels * group.vectors; ++i)
      sums.push_back(sumsAt(b.sum(from, i / group.vectors * layout.outputPlane, columnOf(i)), position(i).back(), {}));
    epilogue.storeTogether(sums, group.vectors, position, [](int64_t) { return Value(); });
  });
}

} // namespace tenon::cpu
