#include "passes/6_codegen/cpu/SlidingWindow.h"
#include "passes/6_codegen/cpu/Elementwise.h"
#include "passes/6_codegen/cpu/LoopsEvaluator.h"

using namespace mlir;

namespace tenon::cpu {

SmallVector<std::pair<int64_t, int64_t>> balancedTiles(int64_t total, int64_t most) {
  SmallVector<std::pair<int64_t, int64_t>> tiles;
  if (total <= 0)
    return tiles;
  int64_t parts = (total + most - 1) / most, small = total / parts, larger = total - parts * small;
  if (larger)
    tiles.emplace_back(small + 1, larger);
  if (parts - larger)
    tiles.emplace_back(small, parts - larger);
  return tiles;
}

void setWindow(SlidingWindow &window, ArrayRef<int64_t> sizes, ArrayRef<int64_t> strides, ArrayRef<int64_t> pads, ArrayRef<int64_t> dilations) {
  unsigned last = sizes.size() - 1;
  auto axis = [&](unsigned d) { return WindowAxis{sizes[d], strides[d], pads[d], dilations[d]}; };
  window.horizontal = axis(last);
  window.vertical = last ? axis(0) : WindowAxis();
}

nn::Dim windowRows(Value result) {
  auto dims = nn::dimsOf(result.getType());
  return dims.size() == 4 ? dims[0] * dims[1] : dims[0];
}

namespace {

class WindowEmitter {
public:
  WindowEmitter(KernelBuilder &b, const SlidingWindow &w)
      : b(b), w(w), lanes(w.lanes ? w.lanes : b.target().lanes(32)), flat(w.input.rank() == 3), height(flat ? Index(1) : w.input.sizes[1]),
        width(w.input.sizes[flat ? 1 : 2]), channels(w.input.sizes.back()) {}

  void emit() {
    auto [low, high] = b.share(b.mul(w.input.sizes[0], w.rows), b.tasks(), b.task());
    b.loop(low, high, 1, [&](Index unit) { emitRowOf(w.rows.is(1) ? unit : b.div(unit, w.rows), w.rows.is(1) ? Index(0) : b.rem(unit, w.rows)); });
  }

  void emitRowOf(Index ofImage, Index number) {
    image = ofImage;
    row = number;
    top = b.sub(b.mul(row, w.vertical.stride), w.vertical.pad);
    taps = tapsInside(b, top, w.vertical.size, w.vertical.dilation, height);
    Range all{0, w.vertical.size};
    if (neverClipped()) {
      taps = all;
      return emitRow(true);
    }
    Value whole = b.equal(b.sub(taps.high, taps.low), w.vertical.size);
    Range clipped = taps;
    b.ifThen(whole, [&] { taps = all, emitRow(true); }, [&] { taps = clipped, emitRow(false); });
  }

private:
  /// Whether every window lies within the image's rows.
  bool neverClipped() const {
    if (w.vertical.size == 1 && w.vertical.pad == 0 && height.is(1) && w.rows.is(1))
      return true;
    if (w.vertical.pad != 0 || !height.isConstant() || !w.rows.isConstant())
      return false;
    return (w.rows.get() - 1) * w.vertical.stride + (w.vertical.size - 1) * w.vertical.dilation < height.get();
  }

  void emitRow(bool wholeRows) {
    rowInside = wholeRows;
    if (width.isConstant() && w.columns.isConstant())
      emitStaticRow();
    else
      emitDynamicRow();
  }

  /// Tiles of balanced widths; runs of tiles away from the border are loops, tiles at the border leave taps out.
  void emitStaticRow() {
    const WindowAxis &h = w.horizontal;
    int64_t span = (h.size - 1) * h.dilation, x = 0;
    auto isInside = [&](int64_t first, int64_t n) { return first * h.stride >= h.pad && (first + n - 1) * h.stride - h.pad + span < width.get(); };
    for (auto [size, count] : balancedTiles(w.columns.get(), w.pixels)) {
      for (int64_t i = 0; i < count;) {
        if (!isInside(x, size)) {
          emitTile(x, size, /*border=*/true);
          ++i, x += size;
          continue;
        }
        int64_t run = 1;
        while (i + run < count && isInside(x + run * size, size))
          ++run;
        b.loop(x, x + run * size, size, [&, n = size](Index at) { emitTile(at, n, false); });
        i += run, x += run * size;
      }
    }
  }

  void emitDynamicRow() {
    const WindowAxis &h = w.horizontal;
    int64_t span = (h.size - 1) * h.dilation;
    Index left = b.min((h.pad + h.stride - 1) / h.stride, w.columns);
    Index right = b.div(b.max(b.add(width, h.pad + h.stride - 1 - span), 0), h.stride);
    right = b.max(b.min(right, w.columns), left);
    b.loop(0, left, 1, [&](Index x) { emitClippedPixel(x); });
    Index x = left;
    for (int64_t size = w.pixels; size; size = size == 1 ? 0 : size > 4 ? 4 : size / 2) {
      Index end = b.add(x, b.mul(b.div(b.sub(right, x), size), size));
      b.loop(x, end, size, [&](Index at) { emitTile(at, size, false); });
      x = end;
    }
    b.loop(right, w.columns, 1, [&](Index x) { emitClippedPixel(x); });
  }

  /// `body` for every vector of channels, the last one masked.
  void overChannels(function_ref<void(Index, Value)> body) { b.lanesLoop(channels, lanes, body); }

  Value load(Index offset, Value mask) {
    Value x = mask ? b.loadMasked(w.input, offset, lanes, mask) : b.load(w.input, offset, lanes);
    if (w.decode)
      return w.decode(x);
    Type type = computeType(w.input.element);
    return type == w.input.element ? x : b.convert(x, type);
  }

  Index offsetOf(Index r, Index x, Index c) {
    Index y = b.add(top, b.mul(r, w.vertical.dilation));
    if (w.ring)
      y = b.rem(y, w.ring);
    return flat ? b.at(w.input, {image, x, c}) : b.at(w.input, {image, y, x, c});
  }

  SmallVector<Index> position(Index x, Index c) {
    if (flat)
      return {image, x, c};
    return {image, row, x, c};
  }

  /// One row of the window for `size` pixels from x on; with `border` (x is then constant) taps outside the image are left out.
  KernelBuilder::Values emitTaps(Index r, Index x, int64_t size, bool border, Index c, Value mask, ValueRange acc) {
    const WindowAxis &h = w.horizontal;
    KernelBuilder::Values result(acc);
    Index first = b.sub(b.mul(x, h.stride), h.pad);
    // The row's address once; taps are constant distances from it.
    Index base = offsetOf(r, first, c), pitch = w.input.strides[flat ? 1 : 2];
    SmallVector<Value> parameters(h.size);
    for (int64_t column = 0; column <= (size - 1) * h.stride + (h.size - 1) * h.dilation; ++column) {
      if (border && (first.get() + column < 0 || first.get() + column >= width.get()))
        continue;
      Value loaded;
      for (int64_t pixel = 0; pixel < size; ++pixel) {
        int64_t distance = column - pixel * h.stride, tap = distance / h.dilation;
        if (distance < 0 || distance % h.dilation || tap >= h.size)
          continue;
        if (!loaded)
          loaded = load(b.add(base, b.mul(column, pitch)), mask);
        if (w.parameter && !parameters[tap])
          parameters[tap] = w.parameter(r, tap, c, mask);
        result[pixel] = w.step(result[pixel], loaded, parameters[tap]);
      }
    }
    return result;
  }

  void emitTile(Index x, int64_t size, bool border) {
    overChannels([&](Index c, Value mask) {
      KernelBuilder::Values acc(size, w.start(c, mask));
      if (rowInside && w.unrollRows) {
        for (int64_t r = 0; r < w.vertical.size; ++r)
          acc = emitTaps(r, x, size, border, c, mask, acc);
      } else {
        acc = b.loop(taps.low, taps.high, 1, acc, [&](Index r, ValueRange in) { return emitTaps(r, x, size, border, c, mask, in); });
      }
      if (w.finishAll)
        return w.finishAll(acc, [&](int64_t pixel) { return position(b.add(x, pixel), c); }, mask);
      for (int64_t pixel = 0; pixel < size; ++pixel)
        w.finish(acc[pixel], position(b.add(x, pixel), c), mask, rowInside && !border);
    });
  }

  /// One pixel whose window is clipped by bounds that are known at run time.
  void emitClippedPixel(Index x) {
    const WindowAxis &h = w.horizontal;
    Index first = b.sub(b.mul(x, h.stride), h.pad);
    Range inside = tapsInside(b, first, h.size, h.dilation, width);
    overChannels([&](Index c, Value mask) {
      auto acc = b.loop(taps.low, taps.high, 1, KernelBuilder::Values{w.start(c, mask)}, [&](Index r, ValueRange outer) {
        return b.loop(inside.low, inside.high, 1, outer, [&](Index tap, ValueRange in) -> KernelBuilder::Values {
          Value loaded = load(offsetOf(r, b.add(first, b.mul(tap, h.dilation)), c), mask);
          return {w.step(in[0], loaded, w.parameter ? w.parameter(r, tap, c, mask) : Value())};
        });
      });
      w.finish(acc[0], position(x, c), mask, false);
    });
  }

  KernelBuilder &b;
  const SlidingWindow &w;
  int lanes;
  bool flat; // one spatial axis
  Index height, width, channels;
  Index image, row, top;
  Range taps; // rows of the window within the image
  bool rowInside = false;
};

} // namespace

void SlidingWindow::emit(KernelBuilder &b) const { WindowEmitter(b, *this).emit(); }
void SlidingWindow::emitRow(KernelBuilder &b, Index image, Index row) const { WindowEmitter(b, *this).emitRowOf(image, row); }

} // namespace tenon::cpu
