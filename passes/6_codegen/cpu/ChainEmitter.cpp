#include "passes/6_codegen/cpu/ChainEmitter.h"
#include "passes/6_codegen/cpu/ContractionEmitter.h"
#include "passes/6_codegen/cpu/Depthwise.h"
#include "passes/6_codegen/cpu/SlidingWindow.h"

namespace tenon::cpu {
using namespace mlir;
using Values = KernelBuilder::Values;

ChainEmitter::ChainEmitter(KernelBuilder &b, const ChainProblem &p, const ChainSchedule &s)
    : b(b), p(p), s(s), lanes(b.target().lanes(32)), layout(p) {
  Type f32 = b.ops().getF32Type();
  if (p.hasExpand()) {
    expanded = b.workspace(f32, 0, {layout.ring, p.width(), p.channels()});
    expanded.sizes = {b.dim(p.batch()), p.height(), p.width(), p.channels()};
    expanded.strides.insert(expanded.strides.begin(), Index(0)); // one image at a time
  } else {
    expanded = b.tensorOf(nn::ConvOp(p.depthwise).getInput());
  }
  if (p.hasProject())
    filtered = b.workspace(f32, layout.filteredOffset, {p.outWidth(), p.channels()});
}

void ChainEmitter::emit() {
  auto [low, high] = b.share(b.mul(b.dim(p.batch()), p.outHeight()), b.tasks(), b.task());
  // The first row of the expanded image that has not been computed.
  b.loop(low, high, 1, {b.value(0)}, [&, low = low](Index unit, ValueRange carried) -> Values {
    Index image = b.div(unit, p.outHeight()), y = b.rem(unit, p.outHeight());
    Index top = b.sub(b.mul(y, p.stride()), p.pad()), first = b.max(top, 0);
    Index known = b.select(b.equal(unit, low), first, b.select(b.equal(y, 0), first, carried[0]));
    Index next = b.max(known, first), end = b.min(b.add(top, p.window()), p.height());
    // Channel by channel: what was just expanded is filtered while it is near.
    panelsOf(p.channels(), s.expand.vectors, [&](const Panel &panel) {
      if (p.hasExpand())
        b.loop(next, end, 1, [&](Index row) { expandRow(image, row, panel); });
      depthwiseRow(image, y, panel);
    });
    if (p.hasProject())
      panelsOf(columnsOf(p.project), s.project.vectors, [&](const Panel &panel) { projectRow(image, y, panel); });
    return {b.value(end)};
  });
}

void ChainEmitter::panelsOf(int64_t columns, int64_t vectors, llvm::function_ref<void(const Panel &)> body) {
  int64_t width = vectors * lanes, full = columns / width, rest = columns % width;
  b.loop(0, full, 1, [&](Index number) { body({number, b.mul(number, width), vectors, width, {}}); });
  if (rest)
    body({full, full * width, int64_t(llvm::divideCeil(rest, lanes)), rest, rest % lanes ? b.tailMask(rest % lanes, lanes) : Value()});
}

void ChainEmitter::pointwise(nn::ConvOp conv, ChainSchedule::Tile tile, const Panel &panel, const Row &row, At prepare, Finish finish) {
  int64_t depth = depthOf(conv), width = tile.vectors * lanes, unroll = 1;
  for (int64_t steps : {2, 3, 4})
    if (depth % steps == 0)
      unroll = steps;
  Type element = b.ops().getF32Type();
  Tensor filter = b.argument(cast<BlockArgument>(conv.getWeight().getDefiningOp<kernel::UnpackOp>().getPacked()).getArgNumber());
  auto maskOf = [&](int64_t vector) { return vector == panel.vectors - 1 ? panel.mask : Value(); };
  Values init(panel.vectors, b.constant(0, VectorType::get({lanes}, element)));
  if (conv.getBias()) {
    Tensor bias = b.tensorOf(conv.getBias());
    for (int64_t v = 0; v < panel.vectors; ++v)
      init[v] = b.loadMasked(bias, b.at(bias, {b.add(panel.column, v * lanes)}), lanes, maskOf(v));
  }
  RhsAddress rhs{filter, b.add(filter.offset, b.mul(panel.number, width * depth)), {}, width, 1, {}};
  forRowTiles(b, row.pixels, tile.rows, 0, llvm::divideCeil(row.pixels, tile.rows), [&](Index first, int64_t rows, Index) {
    LhsAddress lhs{row.memory, b.add(row.start, b.mul(first, row.pixelStride)), {}, {}, 1, 1};
    TileShape shape{rows, panel.vectors, lanes, {}, {}, depth, unroll, element, tile.vectors, 1};
    Values sums;
    for (int64_t r = 0; r < rows; ++r) {
      lhs.rows.push_back(b.mul(row.pixelStride, r));
      sums.append(init);
      prepare(b.add(first, r), panel.column);
    }
    sums = emitTile(b, shape, lhs, rhs, {}, sums);
    for (int64_t r = 0; r < rows; ++r)
      for (int64_t v = 0; v < panel.vectors; ++v)
        finish(sums[r * panel.vectors + v], b.add(first, r), b.add(panel.column, v * lanes), maskOf(v));
  });
}

void ChainEmitter::expandRow(Index image, Index y, const Panel &panel) {
  nn::ConvOp conv = p.expand;
  Tensor input = b.tensorOf(conv.getInput());
  Epilogue epilogue(b, conv.getResult(), p.depthwise);
  Index kept = b.rem(y, layout.ring);
  Row row{input, b.at(input, {image, y, 0, 0}), input.strides[2], p.width()};
  pointwise(
      conv, s.expand, panel, row, [](Index, Index) {},
      [&](Value sum, Index x, Index column, Value mask) {
        b.storeMasked(epilogue.value(sum, {image, y, x, column}, mask), expanded, b.at(expanded, {0, kept, x, column}), mask);
      });
}

void ChainEmitter::depthwiseRow(Index image, Index y, const Panel &panel) {
  nn::ConvOp conv = p.depthwise;
  SlidingWindow window;
  window.input = expanded;
  window.input.offset = b.add(expanded.offset, b.mul(panel.column, expanded.strides.back()));
  window.input.sizes.back() = panel.columns;
  window.rows = p.outHeight();
  window.columns = p.outWidth();
  setWindow(window, cast<RankedTensorType>(conv.getWeight().getType()).getShape().drop_front(2), conv.getStrides(), conv.getPads(),
            conv.getDilations());
  window.pixels = s.pixels;
  constexpr int64_t kMostUnrolled = 25; // taps; see depthwiseFamily
  window.unrollRows = p.tapCount() <= kMostUnrolled;
  window.ring = p.hasExpand() ? layout.ring : 0;
  DepthwiseParameters parameters(b, conv);
  auto parameter = [&](Index r, Index column, Index c, Value mask) { return parameters.weight(r, column, b.add(panel.column, c), mask); };
  auto start = [&](Index c, Value mask) { return parameters.bias(b.add(panel.column, c), mask); };
  auto step = [&](Value acc, Value x, Value weight) { return b.fma(x, weight, acc); };
  Epilogue epilogue(b, conv.getResult(), p.hasProject() ? nn::ConvOp(p.project).getOperation() : nullptr);
  auto finish = [&](Value acc, ArrayRef<Index> position, Value mask, bool) {
    SmallVector<Index> at(position);
    at.back() = b.add(panel.column, at.back());
    if (!p.hasProject())
      return epilogue.store(acc, at, mask);
    b.storeMasked(epilogue.value(acc, at, mask), filtered, b.at(filtered, {at[2], at[3]}), mask);
  };
  window.parameter = parameter;
  window.start = start;
  window.step = step;
  window.finish = finish;
  window.emitRow(b, image, y);
}

void ChainEmitter::projectRow(Index image, Index y, const Panel &panel) {
  nn::ConvOp conv = p.project;
  Epilogue epilogue(b, conv.getResult());
  Row row{filtered, filtered.offset, filtered.strides[0], p.outWidth()};
  pointwise(
      conv, s.project, panel, row, [&](Index x, Index column) { epilogue.prefetch({image, y, x, column}); },
      [&](Value sum, Index x, Index column, Value mask) { epilogue.store(sum, {image, y, x, column}, mask); });
}

} // namespace tenon::cpu
