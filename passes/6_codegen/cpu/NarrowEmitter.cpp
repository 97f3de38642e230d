#include "passes/6_codegen/cpu/NarrowEmitter.h"
#include "passes/6_codegen/cpu/LaneSums.h"
#include "passes/6_codegen/cpu/Registers.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;

namespace tenon::cpu {

NarrowEmitter::NarrowEmitter(KernelBuilder &b, const NarrowProblem &problem, int64_t pixels, int64_t blocks)
    : b(b), p(problem), pixels(std::min(pixels, problem.columns)), blocks(blocks), lanes(b.target().lanes(32)), flat(p.conv.getStrides().size() == 1),
      input(b.tensorOf(p.conv.getInput())), epilogue(b, p.conv.getResult()) {
  auto unpack = p.conv.getWeight().getDefiningOp<kernel::UnpackOp>();
  filter = b.argument(cast<BlockArgument>(unpack.getPacked()).getArgNumber());
}

void NarrowEmitter::emit() {
  auto sizes = b.sizesOf(p.conv.getResult());
  Index rows = flat ? Index(1) : sizes[1], height = flat ? Index(1) : input.sizes[1];
  auto [low, high] = b.share(b.mul(b.mul(sizes[0], rows), blocks), b.tasks(), b.task());
  b.loop(low, high, 1, [&](Index unit) {
    Index block = b.rem(unit, blocks), line = b.div(unit, blocks);
    image = b.div(line, rows);
    row = b.rem(line, rows);
    top = b.sub(b.mul(row, p.vertical.stride), p.vertical.pad);
    taps = tapsInside(b, top, p.vertical.size, p.vertical.dilation, height);
    auto [first, end] = b.share(p.columns, blocks, block);
    emitBlock(first, end);
  });
}

/// Tiles of `pixels` columns; the last one ends with the block and computes columns of the one before again.
void NarrowEmitter::emitBlock(Index first, Index end) {
  const WindowAxis &h = p.horizontal;
  Index left = (h.pad + h.stride - 1) / h.stride;
  int64_t reach = p.width - h.size + h.pad; // where the last whole window starts
  Index right = reach < 0 ? 0 : std::min(reach / h.stride + 1, p.columns);
  b.loop(first, end, pixels, [&](Index start) {
    Index x = b.min(start, b.sub(end, pixels));
    if (!p.padded)
      return emitTile(x, false);
    Value isInside = arith::AndIOp::create(b.ops(), b.lessThan(b.sub(left, 1), x), b.lessThan(b.add(x, pixels - 1), right));
    b.ifThen(isInside, [&] { emitTile(x, false); }, [&] { emitTile(x, true); });
  });
}

void NarrowEmitter::emitTile(Index x, bool border) {
  Value zero = b.constant(0, VectorType::get({lanes}, b.ops().getF32Type()));
  Values sums(pixels * p.channels, zero);
  finish(x, b.loop(taps.low, taps.high, 1, sums, [&](Index r, ValueRange in) { return emitRow(r, x, border, in); }));
}

NarrowEmitter::Values NarrowEmitter::emitRow(Index r, Index x, bool border, ValueRange in) {
  const WindowAxis &h = p.horizontal;
  int64_t run = p.run(), whole = run / lanes * lanes;
  Index y = b.add(top, b.mul(r, p.vertical.dilation));
  SmallVector<Index> starts;
  SmallVector<Range> inside;
  for (int64_t pixel = 0; pixel < pixels; ++pixel) {
    Index column = b.sub(b.mul(b.add(x, pixel), h.stride), h.pad);
    starts.push_back(flat ? b.at(input, {image, column, 0}) : b.at(input, {image, y, column, 0}));
    if (!border)
      continue;
    Range taps = tapsInside(b, column, h.size, 1, p.width);
    inside.push_back({b.mul(taps.low, p.inputChannels), b.mul(taps.high, p.inputChannels)});
  }
  Index weights = b.add(filter.offset, b.mul(r, run));
  // Enough multiply-adds in one step to hide the loop.
  constexpr int64_t kProducts = 24;
  int64_t chunks = whole / lanes, unroll = std::min<int64_t>(llvm::divideCeil(kProducts, pixels * p.channels), std::max<int64_t>(chunks, 1));
  auto step = [&](Index element, int64_t count, Values sums) { return emitChunk(element, count, starts, inside, weights, std::move(sums)); };
  int64_t steps = chunks / unroll * unroll * lanes;
  Values sums = b.loop(0, steps, unroll * lanes, in, [&](Index element, ValueRange carried) {
    Values next(carried);
    for (int64_t k = 0; k < unroll; ++k)
      next = step(b.add(element, k * lanes), lanes, std::move(next));
    return next;
  });
  for (int64_t element = steps; element < whole; element += lanes)
    sums = step(element, lanes, std::move(sums));
  return whole < run ? step(whole, run - whole, std::move(sums)) : sums;
}

Value NarrowEmitter::loadRun(const Tensor &t, Index offset, Value mask) {
  return mask ? b.loadMasked(t, offset, lanes, mask) : b.load(t, offset, lanes);
}

/// One vector of the run, `count` of its lanes.
NarrowEmitter::Values NarrowEmitter::emitChunk(Index element, int64_t count, ArrayRef<Index> starts, ArrayRef<Range> inside, Index weights,
                                               Values sums) {
  Value tail = count < lanes ? b.tailMask(count, lanes) : Value();
  Values inputs;
  for (int64_t pixel = 0; pixel < pixels; ++pixel) {
    Value mask = tail;
    if (!inside.empty()) {
      Registers r{b};
      Value below = b.tailMask(b.sub(inside[pixel].low, element), lanes), upTo = b.tailMask(b.sub(inside[pixel].high, element), lanes);
      mask = r.andi(upTo, r.xori(below, b.tailMask(lanes, lanes)));
    }
    inputs.push_back(loadRun(input, b.add(starts[pixel], element), mask));
  }
  for (int64_t channel = 0; channel < p.channels; ++channel) {
    Index offset = b.sum(weights, element, channel * p.vertical.size * p.run());
    Value weight = loadRun(filter, offset, tail);
    for (int64_t pixel = 0; pixel < pixels; ++pixel) {
      Value &sum = sums[pixel * p.channels + channel];
      sum = b.fma(inputs[pixel], weight, sum);
    }
  }
  return sums;
}

SmallVector<Index> NarrowEmitter::position(Index x) const {
  if (flat)
    return {image, x, 0};
  return {image, row, x, 0};
}

void NarrowEmitter::finish(Index x, ValueRange sums) {
  Registers r{b};
  std::optional<Tensor> bias;
  if (p.conv.getBias())
    bias = b.tensorOf(p.conv.getBias());
  if (p.channels == 1) {
    Value all = laneSums(b, sums);
    if (bias)
      all = r.add(all, b.broadcastLoad(*bias, bias->offset, cast<VectorType>(all.getType()).getNumElements()));
    for (int64_t pixel = 0; pixel < pixels; ++pixel)
      epilogue.store(b.extractLane(all, pixel), position(b.add(x, pixel)));
    return;
  }
  int width = llvm::PowerOf2Ceil(p.channels);
  Value mask = width == p.channels ? Value() : b.tailMask(p.channels, width);
  Value added = !bias ? Value() : mask ? b.loadMasked(*bias, bias->offset, width, mask) : b.load(*bias, bias->offset, width);
  for (int64_t pixel = 0; pixel < pixels; ++pixel) {
    Value all = laneSums(b, sums.slice(pixel * p.channels, p.channels));
    epilogue.store(added ? r.add(all, added) : all, position(b.add(x, pixel)), mask);
  }
}

} // namespace tenon::cpu
