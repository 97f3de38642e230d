#include "passes/6_codegen/cpu/WinogradEmitter.h"
#include "passes/6_codegen/cpu/ContractionEmitter.h"
#include "passes/6_codegen/cpu/WinogradTransforms.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"

namespace tenon::cpu {
using namespace mlir;
using Values = KernelBuilder::Values;

Index inBlock(KernelBuilder &b, int64_t total, Index first, int64_t size) {
  return total % size ? b.min(size, b.sub(total, first)) : Index(size);
}

WinogradEmitter::WinogradEmitter(KernelBuilder &b, const ContractionProblem &p, const WinogradSchedule &s)
    : b(b), p(p), s(s), layout(p, s, b.target()), epilogue(b, p.result), source(b, p.lhs), tiles(b.dim(layout.tiles)) {
  Type f32 = b.ops().getF32Type();
  input = b.workspace(f32, 0, {layout.points * layout.inputPlane});
  output = b.workspace(f32, layout.outputOffset, {layout.points * layout.outputPlane});
  patch = b.workspace(f32, layout.patchOffset, {layout.points * layout.paddedDepth});
  weights = b.tensorOf(p.unpacked().getPacked());
  kernel::View view = kernel::viewOf(p.lhs);
  bool wholeVectors = layout.depth == layout.paddedDepth;
  if (wholeVectors && isa<BlockArgument>(view.source) && view.strides[p.lhsChannel].isConstant(1) &&
      cast<RankedTensorType>(p.lhs.getType()).getElementType().isF32())
    direct = b.tensorOf(p.lhs);
}

void forWinogradBlocks(KernelBuilder &b, nn::Dim blocks, int64_t columnBlocks, int64_t tileTasks, int64_t columnTasks,
                       llvm::function_ref<void(Index)> input, llvm::function_ref<void(Index, Index)> output) {
  Index task = tileTasks * columnTasks == 1 ? Index(0) : b.task(), total = b.dim(blocks);
  Index shares = tileTasks == 1 ? Index(1) : b.min(total, tileTasks);
  auto [firstColumns, endColumns] = b.share(columnBlocks, columnTasks, b.rem(task, columnTasks));
  auto [first, end] = b.share(total, shares, b.div(task, columnTasks));
  b.loop(first, end, 1, [&, firstColumns = firstColumns, endColumns = endColumns](Index block) {
    input(block);
    b.loop(firstColumns, endColumns, 1, [&](Index columnBlock) { output(block, columnBlock); });
  });
}

void WinogradEmitter::emit() {
  forWinogradBlocks(
      b, layout.blocks, layout.columnBlocks, s.tileTasks, s.columnTasks, [&](Index block) { transformInput(block); },
      [&](Index block, Index columnBlock) {
        multiply(columnBlock);
        transformOutput(block, columnBlock);
      });
}

WinogradPlace WinogradPlace::of(KernelBuilder &b, const WinogradTiles &tiles, int64_t m, Index tile) {
  Index across = b.dim(tiles.tilesAcross), down = b.dim(tiles.tilesDown);
  Index row = b.div(tile, across);
  auto first = [&](Index number, nn::Dim run, int64_t dilation) {
    if (dilation == 1)
      return b.mul(number, m);
    Index count = b.dim(run);
    return b.add(b.div(number, count), b.mul(b.rem(number, count), m * dilation));
  };
  return {b.div(row, down), first(b.rem(row, down), tiles.runDown, tiles.dilationDown),
          first(b.rem(tile, across), tiles.runAcross, tiles.dilationAcross)};
}

/// Blocks have one size, so that their loops do too: after the last tile the last block transforms it again.
void WinogradEmitter::transformInput(Index block) {
  b.loop(0, s.tiles, 1, [&](Index i) {
    Index tile = b.min(b.add(b.mul(block, s.tiles), i), b.sub(tiles, 1));
    WinogradPatch from = patchAt(WinogradPlace::of(b, layout, s.m, tile));
    b.loop(0, layout.paddedDepth, layout.lanes, [&](Index channel) {
      SmallVector<Values> columns;
      for (int64_t x = 0; x < layout.edge; ++x) {
        Values column;
        for (int64_t y = 0; y < layout.edge; ++y)
          column.push_back(b.load(from.memory, b.sum(from.offset, b.mul(from.row, y), b.mul(from.column, x), channel), layout.lanes));
        columns.push_back(winogradInput(b, s.m, column));
      }
      Index to = b.sum(input.offset, b.mul(i, layout.paddedDepth), channel);
      for (int64_t y = 0; y < layout.edge; ++y) {
        Values row;
        for (const Values &column : columns)
          row.push_back(column[y]);
        for (auto [x, value] : llvm::enumerate(winogradInput(b, s.m, row)))
          b.store(value, input, b.add(to, (y * layout.edge + int64_t(x)) * layout.inputPlane));
      }
    });
  });
}

WinogradPatch WinogradPatch::of(KernelBuilder &b, const ContractionProblem &p, const WinogradTiles &tiles, const Tensor *image, const Tensor &copy, int64_t edge,
                                int64_t paddedDepth, ArrayRef<Index> at, llvm::function_ref<void()> make) {
  Index row = edge * paddedDepth, column = paddedDepth, top = at[1], left = at[2];
  if (!image) {
    make();
    return {copy, copy.offset, row, column};
  }
  SmallVector<Index> sizes = b.sizesOf(p.lhs);
  Value inside = b.lessThan(-1, top);
  for (Value condition : {b.lessThan(-1, left), b.lessThan(b.add(top, (edge - 1) * tiles.dilationDown), sizes[1]),
                          b.lessThan(b.add(left, (edge - 1) * tiles.dilationAcross), sizes[2])})
    inside = arith::AndIOp::create(b.ops(), inside, condition);
  b.ifThen(inside, [] {}, make);
  Tensor memory = *image;
  memory.base = LLVM::SelectOp::create(b.ops(), inside, image->base, copy.base);
  return {memory, b.select(inside, b.at(*image, {at[0], top, left, 0}), copy.offset), b.select(inside, b.mul(image->strides[1], tiles.dilationDown), row),
          b.select(inside, b.mul(image->strides[2], tiles.dilationAcross), column)};
}

WinogradPatch WinogradEmitter::patchAt(const WinogradPlace &place) {
  Index top = b.add(place.y, p.lhsAxes[1].shift), left = b.add(place.x, p.lhsAxes[2].shift);
  return WinogradPatch::of(b, p, layout, direct ? &*direct : nullptr, patch, layout.edge, layout.paddedDepth, {place.image, top, left},
                           [&] { copyPatch(place, top, left); });
}

void WinogradEmitter::copyPatch(const WinogradPlace &place, Index top, Index left) {
  SmallVector<Index> sizes = b.sizesOf(p.lhs);
  Type vector = VectorType::get({layout.lanes}, patch.element);
  b.loop(0, layout.edge, 1, [&](Index i) {
    b.loop(0, layout.edge, 1, [&](Index j) {
      Index y = b.add(top, b.mul(i, layout.dilationDown)), x = b.add(left, b.mul(j, layout.dilationAcross));
      Index to = b.add(patch.offset, b.mul(b.add(b.mul(i, layout.edge), j), layout.paddedDepth));
      Value inside = b.lessThan(-1, y);
      for (Value condition : {b.lessThan(y, sizes[1]), b.lessThan(-1, x), b.lessThan(x, sizes[2])})
        inside = arith::AndIOp::create(b.ops(), inside, condition);
      b.ifThen(
          inside,
          [&] {
            b.lanesLoop(layout.depth, layout.lanes, [&](Index channel, Value mask) {
              b.store(b.convert(source.load({place.image, y, x, channel}, layout.lanes, 3, mask), patch.element), patch, b.add(to, channel));
            });
          },
          [&] {
            b.loop(0, layout.paddedDepth, layout.lanes, [&](Index channel) { b.store(b.constant(0.0, vector), patch, b.add(to, channel)); });
          });
    });
  });
}

/// output[point] = input[point] x weights[point] for all points.
void WinogradEmitter::multiply(Index columnBlock) {
  int64_t rowTiles = llvm::divideCeil(s.tiles, s.rows), panelElements = layout.depth * layout.panelColumns;
  Index panels = inBlock(b, layout.panels, b.mul(columnBlock, s.panels), s.panels);
  Value zero = b.constant(0.0, VectorType::get({layout.lanes}, input.element));
  b.loop(0, layout.points, 1, [&](Index point) {
    b.loop(0, panels, 1, [&](Index panel) {
      Index number = b.add(b.mul(b.add(b.mul(columnBlock, layout.points), point), s.panels), panel);
      Index panelAt = b.add(weights.offset, b.mul(number, panelElements));
      forRowTiles(b, s.tiles, s.rows, 0, rowTiles, [&](Index first, int64_t rows, Index tile) {
        TileShape shape{rows, s.vectors, layout.lanes, {}, {}, layout.depth, std::min(s.unroll, layout.depth), input.element};
        LhsAddress left{input, b.sum(input.offset, b.mul(point, layout.inputPlane), b.mul(first, layout.paddedDepth)), {}, {}, 1, 1};
        for (int64_t r = 0; r < rows; ++r)
          left.rows.push_back(r * layout.paddedDepth);
        RhsAddress right{weights, panelAt, {}, layout.panelColumns, 1, {}};
        PrefetchStream next;
        if (s.prefetch) {
          constexpr int64_t kLine = 16, kMostLines = 4;
          int64_t iterations = layout.depth / shape.unroll, lines = llvm::divideCeil(panelElements, kLine);
          int64_t each = std::min<int64_t>(llvm::divideCeil(lines, rowTiles * iterations), kMostLines);
          int64_t useful = llvm::divideCeil(lines, iterations * each);
          next = {weights, b.sum(panelAt, panelElements, b.mul(b.min(tile, useful - 1), iterations * each * kLine)), each};
        }
        Values sums = emitTile(b, shape, left, right, next, Values(rows * s.vectors, zero));
        Index to = b.sum(output.offset, b.mul(point, layout.outputPlane), b.mul(first, layout.blockColumns), b.mul(panel, layout.panelColumns));
        for (int64_t r = 0; r < rows; ++r)
          for (int64_t x = 0; x < s.vectors; ++x)
            b.store(sums[r * s.vectors + x], output, b.add(to, r * layout.blockColumns + x * layout.lanes));
      });
    });
  });
}

/// The outputs of a tile go to the first m x m planes, in place of its points; then pixel by pixel through the epilogue, which is
/// emitted once and stores whole pixels.
void WinogradEmitter::transformOutput(Index block, Index columnBlock) {
  Index firstColumn = b.mul(columnBlock, layout.blockColumns), count = inBlock(b, layout.columns, firstColumn, layout.blockColumns);
  Index height = b.dim(p.extents[1]), width = b.dim(p.extents[2]), firstTile = b.mul(block, s.tiles);
  b.loop(0, b.min(s.tiles, b.sub(tiles, firstTile)), 1, [&](Index i) {
    Index row = b.add(output.offset, b.mul(i, layout.blockColumns));
    b.loop(0, count, layout.lanes, [&](Index column) {
      Index at = b.add(row, column);
      SmallVector<Values> columns;
      for (int64_t x = 0; x < layout.edge; ++x) {
        Values points;
        for (int64_t y = 0; y < layout.edge; ++y)
          points.push_back(b.load(output, b.add(at, (y * layout.edge + x) * layout.outputPlane), layout.lanes));
        columns.push_back(winogradOutput(b, s.m, points));
      }
      for (int64_t y = 0; y < s.m; ++y) {
        Values points;
        for (const Values &values : columns)
          points.push_back(values[y]);
        for (auto [x, value] : llvm::enumerate(winogradOutput(b, s.m, points)))
          b.store(value, output, b.add(at, (y * s.m + int64_t(x)) * layout.outputPlane));
      }
    });
    WinogradPlace to = WinogradPlace::of(b, layout, s.m, b.add(firstTile, i));
    auto outputs = [&](Index size, Index first, int64_t dilation) { return b.min(s.m, b.div(b.add(b.sub(size, first), dilation - 1), dilation)); };
    b.loop(0, outputs(height, to.y, layout.dilationDown), 1, [&](Index y) {
      b.loop(0, outputs(width, to.x, layout.dilationAcross), 1, [&](Index x) {
        Index from = b.add(row, b.mul(b.add(b.mul(y, s.m), x), layout.outputPlane));
        SmallVector<Index> pixel{to.image, b.add(to.y, b.mul(y, layout.dilationDown)), b.add(to.x, b.mul(x, layout.dilationAcross))};
        storePixel(from, pixel, firstColumn, count);
      });
    });
  });
}

void WinogradEmitter::storePixel(Index from, ArrayRef<Index> pixel, Index firstColumn, Index count) {
  std::optional<Tensor> bias;
  if (p.bias)
    bias = b.tensorOf(p.bias);
  b.lanesLoop(count, layout.lanes, [&](Index column, Value mask) {
    Value value = b.load(output, b.add(from, column), layout.lanes);
    SmallVector<Index> position(pixel);
    position.push_back(b.add(firstColumn, column));
    if (bias) {
      Value added = b.loadStrided(*bias, b.at(*bias, {position.back()}), bias->strides[0], layout.lanes, mask);
      value = arith::AddFOp::create(b.ops(), value, b.convert(added, output.element));
    }
    epilogue.store(value, position, mask);
  });
}

} // namespace tenon::cpu
