// Addresses of a contraction's tiles: where rows, panels, taps and staged copies lie.
#include "passes/6_codegen/cpu/ContractionEmitter.h"
#include "passes/6_codegen/cpu/ContractionStage.h"
#include "passes/6_codegen/cpu/DotBytes.h"
#include "passes/6_codegen/cpu/DotPairs.h"

namespace tenon::cpu {
using namespace mlir;

/// Elements that one step along a row axis moves in what the tiles read.
Index ContractionEmitter::lhsStride(int rowAxis) {
  // Where rows of pixels are joined, pixels are half of what their axis counts in.
  auto strideOf = [&](int axis, int64_t scale) { return p.joined && axis == p.lhsChannel - 1 ? b.div(b.mul(lhs.strides[axis], scale), 2) : b.mul(lhs.strides[axis], scale); };
  Index sum = 0;
  for (auto [axis, info] : llvm::enumerate(p.lhsAxes))
    if (info.rowAxis == rowAxis)
      sum = b.add(sum, strideOf(axis, info.rowScale));
  return sum;
}

/// Position in lhs of the first tap of a row of the block's run; merged axes are taken apart again.
SmallVector<Index> ContractionEmitter::lhsPosition(const Block &block, Index row) {
  SmallVector<Index> rows = block.rows;
  rows[layout.groups.back().carrier] = row;
  for (const RowGroup &group : layout.groups)
    for (int axis = group.carrier; axis > group.first; --axis) {
      Index merged = rows[axis], extent = b.dim(p.extents[axis]);
      rows[axis] = b.rem(merged, extent);
      rows[axis - 1] = b.div(merged, extent);
    }
  SmallVector<Index> position;
  for (const LhsAxis &axis : p.lhsAxes)
    position.push_back(axis.rowAxis < 0 ? Index(axis.shift) : b.add(b.mul(rows[axis.rowAxis], axis.rowScale), axis.shift));
  return position;
}

ContractionEmitter::TileRows ContractionEmitter::runTile(const Block &block, Index first, int64_t rows, Index number) {
  TileRows tile;
  tile.number = number;
  tile.packedRow = b.sub(first, block.firstRow);
  int axis = layout.groups.back().carrier;
  if (s.lhs == LhsMode::Packed) {
    tile.base = b.add(lhs.offset, b.mul(tile.packedRow, layout.packedPitch));
  } else {
    tile.base = b.add(lhs.offset, b.mul(first, lhsStride(axis)));
    for (int outer = 0; outer < layout.groups.back().first; ++outer)
      tile.base = b.add(tile.base, b.mul(block.rows[outer], lhsStride(outer)));
  }
  for (int64_t r = 0; r < rows; ++r) {
    tile.offsets.push_back(s.lhs == LhsMode::Packed ? Index(r * layout.packedPitch) : b.mul(lhsStride(axis), r));
    tile.positions.push_back(block.rows);
    tile.positions.back()[axis] = b.add(first, r);
  }
  return tile;
}

ContractionEmitter::TileRows ContractionEmitter::boxTile(const Block &block, Index first, int64_t rows, Index number,
                                                         llvm::function_ref<std::pair<Index, Index>(int64_t)> pixel) {
  TileRows tile;
  tile.number = number;
  tile.packedRow = first;
  int x = p.rowAxes() - 1, y = x - 1;
  Index strideX = lhsStride(x), strideY = lhsStride(y);
  tile.base = lhs.offset;
  if (s.lhs == LhsMode::InPlace)
    for (int axis = 0; axis < p.rowAxes(); ++axis)
      tile.base = b.add(tile.base, b.mul(block.rows[axis], lhsStride(axis)));
  auto [firstY, firstX] = pixel(0);
  bool oneRow = !s.flat;
  if (oneRow)
    tile.base = b.sum(tile.base, b.mul(firstY, strideY), b.mul(firstX, strideX));
  for (int64_t r = 0; r < rows; ++r) {
    auto [row, column] = pixel(r);
    tile.offsets.push_back(oneRow ? b.mul(strideX, r) : b.add(b.mul(row, strideY), b.mul(column, strideX)));
    tile.positions.push_back(block.rows);
    tile.positions.back()[y] = b.add(block.rows[y], row);
    tile.positions.back()[x] = b.add(block.rows[x], column);
  }
  return tile;
}

LhsAddress ContractionEmitter::lhsAddress(const Panel &panel, const TileRows &rows, const DepthBlock &depth) {
  LhsAddress address;
  address.memory = lhs;
  address.base = rows.base;
  address.rows = rows.offsets;
  if (s.lhs == LhsMode::Packed) {
    address.depth = address.unroll = 1;
    return address;
  }
  address.depth = address.unroll = lhs.strides[p.lhsChannel];
  address.base = b.add(address.base, b.mul(b.mul(depth.number, blockDepth), address.depth));
  if (p.groups > 1) {
    Index group = b.div(panel.number, *layout.panels / p.groups);
    address.base = b.add(address.base, b.mul(b.mul(group, *layout.depth), address.depth));
  }
  for (size_t tap = 0; tap < p.taps.size(); ++tap)
    for (auto [axis, info] : llvm::enumerate(p.lhsAxes))
      if (info.tapAxis == static_cast<int>(tap))
        address.taps.push_back(b.mul(lhs.strides[axis], s.lhs == LhsMode::Band ? layout.bandTaps[axis] : info.tapScale));
  return address;
}

/// Where a panel of packed weights begins.
Index ContractionEmitter::packedPanel(const Panel &panel, const DepthBlock &depth) {
  Index number = b.add(b.mul(depth.number, *layout.panels), panel.number), run = b.mul(blockDepth, layout.panelColumns);
  return b.add(rhs.offset, b.mul(number, b.mul(run, p.tapCount())));
}

/// The same where rows of filters are joined: the panel is as long as its bytes, not as its pairs.
Index ContractionEmitter::joinedPanel(const Panel &panel) {
  return b.add(rhs.offset, b.mul(panel.number, p.tapCount() * p.joined * *p.lhsChannels().asConstant() * layout.panelColumns));
}

RhsAddress ContractionEmitter::rhsAddress(const Block &block, const Panel &panel, const DepthBlock &depth) {
  RhsAddress address;
  address.memory = layout.rhsWidened ? widened : rhs;
  address.base = address.memory.offset;
  if (rhsPacked || layout.rhsStaged) {
    Index run = b.mul(blockDepth, layout.panelColumns);
    for (size_t tap = 0; tap < p.taps.size(); ++tap) {
      int64_t inner = 1;
      for (size_t i = tap + 1; i < p.taps.size(); ++i)
        inner *= p.taps[i];
      address.taps.push_back(b.mul(run, inner));
    }
    address.depth = layout.panelColumns;
    if (layout.panelColumns % layout.lanes)
      address.tail = b.tailMask(layout.panelColumns % layout.lanes, layout.lanes);
    if (rhsPacked && !layout.rhsWidened)
      address.base = packedPanel(panel, depth);
    return address;
  }
  for (auto [axis, rhsAxis] : llvm::enumerate(p.rhsRows))
    if (rhsAxis >= 0)
      address.base = b.add(address.base, b.mul(block.rows[axis], rhs.strides[rhsAxis]));
  for (size_t tap = 0; tap < p.taps.size(); ++tap)
    address.taps.push_back(rhs.strides[p.rhsTap + tap]);
  address.depth = rhs.strides[p.rhsDepth];
  address.column = rhs.strides[p.rhsColumn];
  address.tail = panel.mask;
  Index firstDepth = b.mul(depth.number, blockDepth);
  address.base = b.sum(address.base, b.mul(panel.column, address.column), b.mul(firstDepth, address.depth));
  return address;
}

/// The taps along one axis that read more than padding for some row of a tile.
std::pair<Index, Index> ContractionEmitter::liveTaps(const Block &block, const TileRows &rows, int tap) {
  const LhsAxis *axis = llvm::find_if(p.lhsAxes, [&](const LhsAxis &candidate) { return candidate.tapAxis == tap; });
  int64_t taps = p.taps[tap];
  if (!p.skipsTaps(*axis))
    return {0, taps};
  int x = p.rowAxes() - 1, y = x - 1;
  Index first = rows.positions.front()[axis->rowAxis], count = axis->rowAxis == x ? Index(rows.positions.size()) : Index(1);
  if (s.flat && axis->rowAxis >= y) {
    first = block.rows[axis->rowAxis];
    count = axis->rowAxis == x ? block.width : block.height;
  }
  Index size = b.dim(nn::dimOf(p.lhs.getType(), axis - p.lhsAxes.begin()));
  Index start = b.add(b.mul(first, axis->rowScale), axis->shift), last = b.add(start, b.mul(b.sub(count, 1), axis->rowScale));
  auto tapsWithin = [&](Index distance) { return b.div(b.add(b.max(distance, 0), axis->tapScale - 1), axis->tapScale); };
  Index begin = b.min(tapsWithin(b.sub(0, last)), taps);
  return {begin, b.max(b.min(tapsWithin(b.sub(size, start)), taps), begin)};
}

/// Drops taps of size 1 and joins the innermost tap with the depth where both operands continue without a gap.
void ContractionEmitter::mergeTaps(TileShape &shape, const Block &block, const TileRows &rows, LhsAddress &left, RhsAddress &right) {
  SmallVector<Index> leftTaps, rightTaps;
  for (auto [tap, size] : llvm::enumerate(p.taps))
    if (size != 1) {
      shape.taps.push_back(size);
      shape.live.push_back(liveTaps(block, rows, tap));
      leftTaps.push_back(left.taps[tap]);
      rightTaps.push_back(right.taps[tap]);
    }
  auto continues = [&](Index stride, Index depth) {
    return stride.isConstant() && depth.isConstant() && shape.depth.isConstant() && stride.get() == depth.get() * shape.depth.get();
  };
  auto whole = [&] { return shape.live.back().first.is(0) && shape.live.back().second.is(shape.taps.back()); };
  while (!shape.taps.empty() && whole() && continues(leftTaps.back(), left.depth) && continues(rightTaps.back(), right.depth)) {
    shape.depth = shape.depth.get() * shape.taps.back();
    shape.taps.pop_back();
    shape.live.pop_back();
    leftTaps.pop_back();
    rightTaps.pop_back();
  }
  left.taps = leftTaps;
  right.taps = rightTaps;
}

/// The next panel, spread over the iterations of this panel's tiles.
PrefetchStream ContractionEmitter::nextPanel(const Block &block, const Panel &panel, const TileRows &rows, const DepthBlock &depth,
                                             const TileShape &shape) {
  PrefetchStream stream;
  if (!s.prefetch || !rhsPacked || s.rowsOuter || !shape.depth.isConstant() || shape.depth.get() < shape.unroll)
    return stream;
  int64_t elementBytes = rhs.element.getIntOrFloatBitWidth() / 8, lineElements = 64 / elementBytes;
  int64_t panelElements = blockDepth.get() * p.tapCount() * layout.panelColumns;
  int64_t iterations = shape.depth.get() / shape.unroll;
  for (int64_t tap : shape.taps)
    iterations *= tap;
  int64_t panelLines = llvm::divideCeil(panelElements, lineElements);
  Index tiles = b.sub(block.endTile, block.firstTile);
  int64_t share = tiles.isConstant() ? std::max<int64_t>(tiles.get(), 1) : 1;
  const int64_t kMostLines = s.amx ? 16 : 4; // tile registers take larger steps
  stream.memory = rhs;
  stream.lines = std::min<int64_t>(llvm::divideCeil(panelLines, share * iterations), kMostLines);
  int64_t useful = llvm::divideCeil(panelLines, iterations * stream.lines);
  Index part = b.mul(b.min(rows.number, useful - 1), iterations * stream.lines * lineElements);
  Index next = b.add(b.mul(depth.number, *layout.panels), b.add(panel.number, s.panels));
  stream.base = b.sum(rhs.offset, b.mul(next, panelElements), part);
  return stream;
}

LhsBox ContractionEmitter::bandBox(const Block &block) {
  LhsBox box;
  int x = p.rowAxes() - 1, y = x - 1;
  for (auto [axis, info] : llvm::enumerate(p.lhsAxes)) {
    if (static_cast<int>(axis) == p.lhsChannel) {
      box.axes.push_back({0, *p.lhsChannels().asConstant()});
      continue;
    }
    Index count = info.rowAxis == x ? block.width : info.rowAxis == y ? block.height : Index(1);
    Index first = info.rowAxis < 0 ? Index(0) : block.rows[info.rowAxis];
    LhsBox::Axis along{b.add(b.mul(first, info.rowScale), info.shift), b.add(b.mul(b.sub(count, 1), info.rowScale), 1)};
    int64_t taps = info.tapAxis < 0 ? 1 : p.taps[info.tapAxis];
    if (p.joined && static_cast<int>(axis) == p.lhsChannel - 1)
      along.extent = b.add(along.extent, p.joined - 1);
    else if (layout.bandTaps[axis] < info.tapScale) {
      along.parts = taps;
      along.lhsStep = info.tapScale;
      along.bandStep = layout.bandTaps[axis];
    } else {
      along.extent = b.add(along.extent, (taps - 1) * info.tapScale);
    }
    box.axes.push_back(along);
  }
  return box;
}

void ContractionEmitter::stageBand(const Block &block) { copyBand(b, p, bandBox(block), lhs); }

/// Where each pixel of the band begins.
void ContractionEmitter::bandPixels(const Block &block, llvm::function_ref<void(Index)> body) {
  LhsBox box = bandBox(block);
  std::function<void(int, Index)> along = [&](int axis, Index at) {
    if (axis == p.lhsChannel)
      return body(at);
    b.loop(0, box.axes[axis].whole(b), 1, [&](Index i) { along(axis + 1, b.add(at, b.mul(i, lhs.strides[axis]))); });
  };
  along(0, lhs.offset);
}

/// Packs rows of bytes that lie at even distances. False where they do not.
bool ContractionEmitter::widenBlock(const Block &block, const DepthBlock &depth) {
  const RowGroup &group = layout.groups.back();
  RowGroup even = p.rowGroups(/*lhsInPlace=*/true).back();
  if (even.first != group.first || even.carrier != group.carrier)
    return false;
  Tensor fours = inFours(b, b.tensorOf(p.lhs));
  Index stride = 0, length = b.div(blockDepth, 2); // of a row
  for (auto [axis, info] : llvm::enumerate(p.lhsAxes))
    if (info.rowAxis == group.carrier)
      stride = b.add(stride, b.mul(fours.strides[axis], info.rowScale));
  // The row where the last tile ends: tiles of a known number of rows differ by one row at most.
  Index extent = b.dim(group.extent), tiles = ceilDiv(b, extent, s.rows), end = b.min(b.mul(block.endTile, s.rows), extent);
  if (extent.isConstant() && tiles.get())
    end = b.add(b.mul(block.endTile, extent.get() / tiles.get()), b.min(block.endTile, extent.get() % tiles.get()));
  Index count = b.sub(end, block.firstRow), from = b.add(b.at(fours, lhsPosition(block, block.firstRow)), b.mul(depth.number, length));
  bool isOneRun = stride.isConstant() && length.isConstant() && stride.get() == length.get() && layout.packedPitch == 2 * length.get();
  if (isOneRun)
    widenFours(b, fours, from, b.mul(count, length), lhs, lhs.offset);
  else
    b.loop(0, count, 1, [&](Index i) { widenFours(b, fours, b.add(from, b.mul(i, stride)), length, lhs, b.add(lhs.offset, b.mul(i, layout.packedPitch))); });
  return true;
}

void ContractionEmitter::packBlock(const Block &block, const DepthBlock &depth) {
  if (p.widens() && widenBlock(block, depth))
    return;
  forRowTiles(b, block.total, s.rows, block.firstTile, block.endTile, [&](Index first, int64_t rows, Index) {
    b.loop(first, b.add(first, rows), 1, [&](Index row) {
      Index to = b.add(lhs.offset, b.mul(b.sub(row, block.firstRow), layout.packedPitch));
      packRow(b, p, lhs, to, lhsPosition(block, row), b.mul(depth.number, blockDepth), blockDepth.get());
    });
  });
}

} // namespace tenon::cpu
