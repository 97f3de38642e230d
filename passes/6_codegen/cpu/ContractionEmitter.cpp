#include "passes/6_codegen/cpu/ContractionEmitter.h"
#include "passes/6_codegen/cpu/ContractionStage.h"
#include "passes/6_codegen/cpu/DotBfloat.h"
#include "passes/6_codegen/cpu/DotBytes.h"
#include "passes/6_codegen/cpu/DotPairs.h"

namespace tenon::cpu {
using namespace mlir;
using Values = KernelBuilder::Values;

/// Runs `body` where a < c; without a branch where both are constants.
static void ifLess(KernelBuilder &b, Index a, Index c, llvm::function_ref<void()> body) {
  if (!a.isConstant() || !c.isConstant())
    return b.ifThen(b.lessThan(a, c), body);
  if (a.get() < c.get())
    body();
}

void forRowTiles(KernelBuilder &b, Index total, int64_t rows, Index begin, Index end,
                 llvm::function_ref<void(Index, int64_t, Index)> body) {
  if (total.isConstant()) {
    if (total.get() == 0)
      return;
    int64_t tiles = llvm::divideCeil(total.get(), rows), low = total.get() / tiles, larger = total.get() % tiles;
    if (larger)
      b.loop(b.min(begin, larger), b.min(end, larger), 1, [&](Index t) { body(b.mul(t, low + 1), low + 1, t); });
    b.loop(b.max(begin, larger), b.max(end, larger), 1, [&](Index t) { body(b.add(b.mul(t, low), larger), low, t); });
    return;
  }
  Index full = b.div(total, rows);
  b.loop(b.min(begin, full), b.min(end, full), 1, [&](Index t) { body(b.mul(t, rows), rows, t); });
  ifLess(b, b.max(full, begin), end, [&] {
    Index done = b.mul(full, rows);
    for (int64_t part = llvm::bit_floor(static_cast<uint64_t>(rows - 1)); part >= 1; part /= 2) {
      // What is left after larger powers of two were taken off the remainder.
      Index left = b.rem(b.sub(total, done), part * 2);
      Index first = b.sub(total, left);
      ifLess(b, part - 1, left, [&] { body(first, part, full); });
    }
  });
}

ContractionEmitter::ContractionEmitter(KernelBuilder &b, const ContractionProblem &p, const ContractionSchedule &s)
    : b(b), p(p), s(s), layout(p, s, b.target()), epilogue(b, p.result), element(p.computeElement()), columns(b.dim(p.columns)) {
  SmallVector<Index> bandSizes(layout.bandSizes.begin(), layout.bandSizes.end());
  if (s.lhs == LhsMode::InPlace)
    lhs = p.dot > 1 ? inLanes(b, p, b.tensorOf(p.lhs)) : b.tensorOf(p.lhs);
  else if (s.lhs == LhsMode::Band)
    lhs = b.workspace(element, 0, bandSizes);
  else
    lhs = b.workspace(element, 0, {layout.lhsBytes / (element.getIntOrFloatBitWidth() / 8)});

  int64_t elementBytes = element.getIntOrFloatBitWidth() / 8;
  if (kernel::UnpackOp unpack = p.unpacked()) {
    rhs = b.tensorOf(unpack.getPacked());
    if (p.dot > 1) // panels of bytes are read in fours or pairs, those of bf16 in pairs
      rhs.element = p.bfloat ? element : Type(b.ops().getIntegerType(8 * p.dot));
    rhsPacked = true;
  } else if (layout.rhsStaged) {
    rhs = b.workspace(element, layout.rhsOffset, {layout.rhsBytes / elementBytes});
  } else {
    rhs = b.tensorOf(p.rhs);
  }
  if (layout.rhsWidened)
    widened = b.workspace(element, layout.rhsOffset, {layout.rhsBytes / elementBytes});
  if (p.split)
    splitLists = SplitPanel::at(b, layout.rhsOffset, *layout.depth * p.tapCount(), layout.lanes);
  if (layout.partialBytes)
    partial = b.workspace(element, layout.partialOffset, {layout.partialBytes / elementBytes});
  if (s.amx || s.panels > 1)
    tileSums = b.workspace(element, layout.sumsOffset, {s.rows * s.panels * s.vectors * layout.lanes});
  blockDepth = s.depthBlock ? Index(s.depthBlock) : b.dim(p.depth);
}

void ContractionEmitter::emit() {
  Index task = s.rowTasks * s.columnTasks == 1 ? Index(0) : b.task(), blocks = b.dim(layout.blocks);
  Index columnTask = s.rowTasks == 1 ? task : b.rem(task, s.columnTasks);
  Index rowTask = s.rowTasks == 1 ? Index(0) : b.div(task, s.columnTasks);
  Index shares = s.rowTasks == 1 ? Index(1) : b.min(blocks, s.rowTasks);
  Index panels = layout.panels ? Index(*layout.panels) : ceilDiv(b, columns, layout.panelColumns);
  auto [firstPanel, endPanel] = b.share(b.div(panels, s.panels), s.columnTasks, columnTask);
  firstPanel = b.mul(firstPanel, s.panels);
  endPanel = b.mul(endPanel, s.panels);
  auto [first, end] = b.share(blocks, shares, rowTask);
  if (s.amx) {
    product = tileProduct();
    product.configure(b);
  }
  b.loop(first, end, 1, [&, firstPanel = firstPanel, endPanel = endPanel](Index i) { compute(block(i), firstPanel, endPanel); });
  if (s.amx)
    TileProduct::release(b);
}

/// Decodes a block's number: the axes outside of the tiles, then the run of tiles or the box.
ContractionEmitter::Block ContractionEmitter::block(Index number) {
  Block block;
  block.rows.assign(p.rowAxes(), 0);
  auto take = [&](Index count) { // the innermost digit of the number
    Index digit = b.rem(number, count);
    number = b.div(number, count);
    return digit;
  };
  int groups = layout.groups.size();
  const RowGroup &inner = layout.groups.back();
  Index extent = b.dim(inner.extent);
  if (s.boxed()) {
    const RowGroup &outer = layout.groups[groups - 2];
    auto cut = [&](Index size, int64_t chosen, Index &first, Index &count) {
      if (chosen == 0 || size.is(chosen)) {
        first = 0;
        count = size;
        return;
      }
      first = b.mul(take(ceilDiv(b, size, chosen)), chosen);
      bool even = size.isConstant() && size.get() % chosen == 0;
      count = even ? Index(chosen) : b.min(b.sub(size, first), chosen);
    };
    cut(extent, s.boxWidth, block.rows[inner.carrier], block.width);
    cut(b.dim(outer.extent), s.boxHeight, block.rows[outer.carrier], block.height);
    block.total = b.mul(block.height, block.width);
    block.endTile = ceilDiv(b, block.total, s.rows);
    groups -= 2;
  } else {
    Index tiles = ceilDiv(b, extent, s.rows);
    block.total = extent;
    block.endTile = tiles;
    if (s.blockTiles) {
      Index runs = ceilDiv(b, tiles, s.blockTiles);
      std::tie(block.firstTile, block.endTile) = b.share(tiles, runs, take(runs));
    }
    int64_t low = extent.isConstant() && tiles.get() ? extent.get() / tiles.get() : s.rows;
    int64_t larger = extent.isConstant() && tiles.get() ? extent.get() % tiles.get() : 0;
    block.firstRow = b.add(b.mul(block.firstTile, low), b.min(block.firstTile, larger));
    groups -= 1;
  }
  for (int g = groups - 1; g >= 0; --g)
    block.rows[layout.groups[g].carrier] = take(b.dim(layout.groups[g].extent));
  return block;
}

void ContractionEmitter::compute(const Block &block, Index firstPanel, Index endPanel) {
  if (s.lhs == LhsMode::Band)
    stageBand(block);
  if (p.split)
    measureActivations(block);
  if (s.panels > 1)
    return computeTogether(block, firstPanel, endPanel);
  auto pass = [&](const DepthBlock &depth) {
    if (s.lhs == LhsMode::Packed)
      packBlock(block, depth);
    auto stagePanel = [&](const Panel &panel) {
      if (layout.rhsStaged)
        packPanel(b, p, rhs, block.rows, panel.column, panel.columns, layout.panelColumns);
      if (p.split)
        splitLists.behind(b, 0, rhs, packedPanel(panel, depth)).fill(b, splitOperand());
      if (p.joined)
        joinPanel(b, p, rhs, joinedPanel(panel), layout.panelColumns, widened);
      else if (layout.rhsWidened)
        widenPanel(b, rhs, packedPanel(panel, depth), b.mul(blockDepth, p.tapCount() * layout.panelColumns), widened, widened.offset);
    };
    if (s.rowsOuter)
      return tilesOf(block, [&](const TileRows &rows) {
        panelsOf(firstPanel, endPanel, [&](const Panel &panel) {
          stagePanel(panel);
          tile(block, panel, rows, depth, firstPanel);
        });
      });
    panelsOf(firstPanel, endPanel, [&](const Panel &panel) {
      stagePanel(panel);
      tilesOf(block, [&](const TileRows &rows) { tile(block, panel, rows, depth, firstPanel); });
    });
  };
  int64_t passes = s.depthBlock ? *layout.depth / s.depthBlock : 1;
  pass({0, true, passes == 1});
  b.loop(1, passes - 1, 1, [&](Index i) { pass({i, false, false}); });
  if (passes > 1)
    pass({passes - 1, false, true});
}

void ContractionEmitter::panelsOf(Index first, Index end, llvm::function_ref<void(const Panel &)> body) {
  int64_t width = layout.panelColumns, lanes = layout.lanes;
  Index full = p.groups > 1 ? Index(*layout.panels) : b.div(columns, width);
  int64_t vectors = llvm::divideCeil(width, lanes);
  Value mask = width % lanes ? b.tailMask(width % lanes, lanes) : Value();
  b.loop(b.min(first, full), b.min(end, full), 1, [&](Index i) { body({i, b.mul(i, width), vectors, mask, width}); });
  Index done = b.mul(full, width), left = b.sub(columns, done);
  if (left.is(0) || p.groups > 1)
    return;
  ifLess(b, b.max(full, first), end, [&] {
    if (left.isConstant()) {
      int64_t rest = left.get() % lanes;
      return body({full, done, static_cast<int64_t>(llvm::divideCeil(left.get(), lanes)), rest ? b.tailMask(rest, lanes) : Value(), left});
    }
    // An unknown remainder is taken one masked vector at a time.
    b.loop(0, left, lanes, [&](Index i) {
      Index rest = b.min(b.sub(left, i), lanes);
      body({full, b.add(done, i), 1, b.tailMask(rest, lanes), rest});
    });
  });
}

void ContractionEmitter::tilesOf(const Block &block, llvm::function_ref<void(const TileRows &)> body) {
  if (s.amx)
    return equalTilesOf(block, body);
  if (!s.boxed())
    return forRowTiles(b, block.total, s.rows, block.firstTile, block.endTile, [&](Index first, int64_t rows, Index number) {
      body(runTile(block, first, rows, b.sub(number, block.firstTile)));
    });
  if (s.flat)
    return forRowTiles(b, block.total, s.rows, 0, block.endTile, [&](Index first, int64_t rows, Index number) {
      body(boxTile(block, first, rows, number, [&](int64_t r) {
        Index pixel = b.add(first, r);
        return std::pair<Index, Index>(b.div(pixel, block.width), b.rem(pixel, block.width));
      }));
    });
  Index across = ceilDiv(b, block.width, s.rows);
  b.loop(0, block.height, 1, [&](Index y) {
    forRowTiles(b, block.width, s.rows, 0, across, [&](Index first, int64_t rows, Index number) {
      body(boxTile(block, b.add(b.mul(y, block.width), first), rows, b.add(b.mul(y, across), number),
                   [&](int64_t r) { return std::pair<Index, Index>(y, b.add(first, r)); }));
    });
  });
}

Values ContractionEmitter::sumsOf(const Block &block, const Panel &panel, const TileRows &rows, const DepthBlock &depth) {
  TileShape shape{int64_t(rows.offsets.size()), panel.vectors, layout.lanes, {}, {}, blockDepth, s.unroll, element, s.vectors, p.dot};
  LhsAddress left = lhsAddress(panel, rows, depth);
  RhsAddress right = rhsAddress(block, panel, depth);
  mergeTaps(shape, block, rows, left, right);
  shape.unroll = std::min(shape.unroll, shape.depth.isConstant() ? std::max<int64_t>(shape.depth.get(), 1) : 4);
  PrefetchStream ahead = nextPanel(block, panel, rows, depth, shape);
  return emitTile(b, shape, left, right, ahead, initial(panel, shape.rows, depth));
}

void ContractionEmitter::tile(const Block &block, const Panel &panel, const TileRows &rows, const DepthBlock &depth, Index firstPanel) {
  if (s.amx)
    return tileInRegisters(block, panel, rows, depth);
  int64_t count = rows.offsets.size();
  int64_t width = llvm::divideCeil(layout.panelColumns, layout.lanes) * layout.lanes;
  Index partialColumn = b.mul(b.sub(panel.number, firstPanel), width);
  auto partialAt = [&](int64_t r, int64_t x) {
    return b.sum(partial.offset, b.mul(b.add(rows.packedRow, r), layout.partialStride), partialColumn, x * layout.lanes);
  };
  auto position = [&](int64_t r, int64_t x) {
    SmallVector<Index> at = rows.positions[r];
    at.push_back(b.add(panel.column, x * layout.lanes));
    return at;
  };
  for (int64_t r = 0; r < count; ++r) {
    if (depth.last)
      epilogue.prefetch(position(r, 0));
    if (!depth.first)
      b.prefetch(partial, partialAt(r, 0), 3);
  }
  Values sums = p.split ? splitSums(block, panel, rows, splitLists.behind(b, 0, rhs, packedPanel(panel, depth))) : sumsOf(block, panel, rows, depth);
  bool together = depth.last && epilogue.storesTogether(layout.lanes);
  for (int64_t r = 0; r < count; ++r)
    for (int64_t x = 0; x < panel.vectors; ++x) {
      Value &sum = sums[r * panel.vectors + x];
      if (!depth.first) {
        sum = emitAdd(b, sum, b.load(partial, partialAt(r, x), layout.lanes));
      }
      if (together)
        continue;
      if (depth.last)
        epilogue.store(sum, position(r, x), x == panel.vectors - 1 ? panel.mask : Value());
      else
        b.store(sum, partial, partialAt(r, x));
    }
  if (together)
    epilogue.storeTogether(
        sums, panel.vectors, [&](int64_t i) { return position(i / panel.vectors, i % panel.vectors); },
        [&](int64_t i) { return (i + 1) % panel.vectors ? Value() : panel.mask; });
}

/// The accumulators before the first step: the bias, or zeros.
Values ContractionEmitter::initial(const Panel &panel, int64_t rows, const DepthBlock &depth) {
  auto type = VectorType::get({layout.lanes}, element);
  Values row(panel.vectors, b.constant(0.0, type));
  if (p.bias && depth.first) {
    Tensor bias = b.tensorOf(p.bias);
    for (int64_t x = 0; x < panel.vectors; ++x) {
      Index at = b.at(bias, {b.add(panel.column, x * layout.lanes)});
      bool masked = panel.mask && x == panel.vectors - 1;
      Value vector = masked ? b.loadMasked(bias, at, layout.lanes, panel.mask) : b.load(bias, at, layout.lanes);
      row[x] = b.convert(vector, element);
    }
  }
  Values all;
  for (int64_t r = 0; r < rows; ++r)
    all.append(row);
  return all;
}

} // namespace tenon::cpu
