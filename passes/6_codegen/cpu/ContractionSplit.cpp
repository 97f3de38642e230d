// Tiles of a contraction of bytes whose weights are split: what activations reach, and panels whose sums are finished together.
#include "passes/6_codegen/cpu/ByteRegisters.h"
#include "passes/6_codegen/cpu/ContractionEmitter.h"
#include <numeric>

namespace tenon::cpu {
using namespace mlir;
using Values = KernelBuilder::Values;

SplitOperand ContractionEmitter::splitOperand() {
  LhsAddress address = lhsAddress({}, {}, {});
  return {*layout.depth, p.taps, address.taps, address.depth};
}

/// What the weights of all panels are sorted by.
void ContractionEmitter::measureActivations(const Block &block) {
  int64_t fours = *layout.depth;
  splitLists.clear(b, fours);
  if (s.lhs == LhsMode::Band)
    return bandPixels(block, [&](Index pixel) { splitLists.measure(b, lhs, pixel, fours); });
  SplitOperand operand = splitOperand();
  tilesOf(block, [&](const TileRows &rows) {
    b.loop(0, operand.tapCount(), 1, [&](Index tap) {
      SmallVector<Index> places;
      for (const Index &row : rows.offsets)
        places.push_back(b.sum(rows.base, row, operand.tapAt(b, tap)));
      splitLists.measure(b, lhs, places, fours);
    });
  });
}

Values ContractionEmitter::splitSums(const Block &block, const Panel &panel, const TileRows &rows, const SplitPanel &lists) {
  TileShape shape{int64_t(rows.offsets.size()), panel.vectors, layout.lanes, {}, {}, blockDepth, 1, element, s.vectors, p.dot};
  LhsAddress left = lhsAddress(panel, rows, {});
  RhsAddress right = rhsAddress(block, panel, {});
  mergeTaps(shape, block, rows, left, right);
  shape.unroll = std::min(SplitPanel::kTogether.front(), std::max<int64_t>(shape.depth.get(), 1));
  PrefetchStream ahead = nextPanel(block, panel, rows, {}, shape);
  return emitSplitTile(b, shape, left, lists, ahead, initial(panel, shape.rows, {}));
}

/// Some panels at a time: what a tile adds up for them becomes bytes at once, in whole vectors of the result's columns.
void ContractionEmitter::computeTogether(const Block &block, Index firstPanel, Index endPanel) {
  int64_t width = layout.panelColumns;
  b.loop(b.div(firstPanel, s.panels), b.div(endPanel, s.panels), 1, [&](Index number) {
    Index first = b.mul(number, s.panels);
    auto panelAt = [&](Index i) { return Panel{b.add(first, i), b.mul(b.add(first, i), width), 1, Value(), width}; };
    auto listsOf = [&](Index i) { return splitLists.behind(b, i, rhs, packedPanel(panelAt(i), {})); };
    b.loop(0, s.panels, 1, [&](Index i) { listsOf(i).fill(b, splitOperand()); });
    tilesOf(block, [&](const TileRows &rows) {
      b.loop(0, s.panels, 1, [&](Index i) {
        for (auto [r, sum] : llvm::enumerate(splitSums(block, panelAt(i), rows, listsOf(i))))
          b.store(sum, tileSums, b.sum(tileSums.offset, b.mul(i, width), int64_t(r) * s.panels * width));
      });
      storeTogether(rows, b.mul(first, width));
    });
  });
}

/// The results of a tile whose sums were kept, some rows at a time: as many as fill registers of bytes.
void ContractionEmitter::storeTogether(const TileRows &rows, Index column) {
  int64_t rowsAtOnce = kTogether / std::gcd(kTogether, s.panels), count = rows.offsets.size();
  bool together = epilogue.storesTogether(layout.lanes);
  for (int64_t first = 0; first < count; first += rowsAtOnce) {
    auto position = [&](int64_t i) {
      SmallVector<Index> at = rows.positions[first + i / s.panels];
      at.push_back(b.add(column, i % s.panels * layout.lanes));
      return at;
    };
    Values sums;
    for (int64_t i = 0; i < std::min(rowsAtOnce, count - first) * s.panels; ++i)
      sums.push_back(b.load(tileSums, b.add(tileSums.offset, (first * s.panels + i) * layout.lanes), layout.lanes));
    if (together)
      epilogue.storeTogether(sums, s.panels, position, [](int64_t) { return Value(); });
    for (size_t i = 0; !together && i < sums.size(); ++i)
      epilogue.store(sums[i], position(i), Value());
    b.keepMemoryOrder();
  }
}

} // namespace tenon::cpu
