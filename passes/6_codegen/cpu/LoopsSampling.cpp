// Images read at places that are data: grid_sample and roi_align at an element.
#include "passes/6_codegen/cpu/LoopsEvaluator.h"
#include "passes/6_codegen/cpu/Registers.h"
#include "passes/6_codegen/cpu/VectorMath.h"

using namespace mlir;

namespace tenon::cpu {

namespace {
using P = arith::CmpFPredicate;

/// A coordinate of a grid on one axis of the image, in the type of the grid.
struct GridAxis {
  KernelBuilder &b;
  Registers r;
  nn::GridSampleOp op;
  Index size;
  Value extent; // the size as a float

  GridAxis(KernelBuilder &b, nn::GridSampleOp op, Index size, Type type)
      : b(b), r{b}, op(op), size(size), extent(arith::SIToFPOp::create(b.ops(), type, b.value(size))) {}

  Value border(bool high) {
    Value low = r.c(op.getAlignCorners() ? 0.0 : -0.5, extent);
    return high ? r.sub(extent, op.getAlignCorners() ? 1.0 : 0.5) : low;
  }
  /// (c + 1) * (size - 1) / 2, or ((c + 1) * size - 1) / 2.
  Value pixel(Value c) {
    Value moved = r.add(c, 1.0);
    if (op.getAlignCorners())
      return r.mul(r.mul(moved, r.sub(extent, 1.0)), 0.5);
    return r.mul(r.sub(r.mul(moved, extent), 1.0), 0.5);
  }
  /// Mirrored at both borders until it lies between them. A row of one pixel has no inside with align_corners: the pixel itself.
  Value reflected(Value x) {
    Value low = border(false), range = r.sub(border(true), low), period = r.mul(range, 2.0);
    Value safe = r.select(r.cmp(P::OGT, period, r.c(0, x)), period, r.c(1, x));
    Value distance = r.abs(r.sub(x, low));
    Value rest = r.sub(distance, r.mul(emitFloor(b, r.div(distance, safe)), safe));
    Value folded = r.select(r.cmp(P::OGT, rest, range), r.sub(period, rest), rest);
    Value outside = r.ori(r.cmp(P::OLT, x, low), r.cmp(P::OGT, x, border(true)));
    return r.select(outside, r.add(folded, low), x);
  }
  /// Where the padding moves the coordinate itself.
  Value moved(Value x) {
    switch (op.getPadding()) {
    case nn::GridPadding::Zeros:
      return x;
    case nn::GridPadding::Border: { // half a pixel around the centres stays as it is
      Value outside = r.ori(r.cmp(P::OLT, x, border(false)), r.cmp(P::OGT, x, border(true)));
      return r.select(outside, r.clampTo(x, r.c(0, x), r.sub(extent, 1.0)), x);
    }
    case nn::GridPadding::Reflection:
      return reflected(x);
    }
    return x;
  }
  /// An integer that fits whatever the coordinate is: NaN and what is far outside end at the edge of a margin.
  Index integer(Value x) {
    constexpr double kMargin = 4.0;
    Value finite = r.clampTo(r.select(r.isNan(x), r.c(-kMargin, x), x), r.c(-kMargin, x), r.add(extent, kMargin));
    return Index(arith::FPToSIOp::create(b.ops(), b.ops().getI64Type(), finite).getResult());
  }
  Index clamped(Index i) { return b.max(b.min(i, b.sub(size, 1)), 0); }

  struct Tap {
    Index index;
    Value weight; // null: 1
    Value inside; // null: always
  };
  Tap tap(Index i, Value weight) {
    if (op.getPadding() == nn::GridPadding::Zeros)
      return {clamped(i), weight, r.andi(b.lessThan(-1, i), b.lessThan(i, size))};
    if (op.getPadding() == nn::GridPadding::Border)
      return {clamped(i), weight, {}};
    Value there = reflected(arith::SIToFPOp::create(b.ops(), extent.getType(), b.value(i)));
    return {clamped(integer(there)), weight, {}};
  }

  /// The cubic convolution kernel (Keys 1981), a = -0.75, for the neighbours -1, 0, 1, 2 of a fraction.
  Value cubic(Value fraction, int neighbour) {
    constexpr double a = -0.75;
    Value x = r.abs(r.sub(fraction, double(neighbour)));
    if (neighbour == 0 || neighbour == 1)
      return r.fma(r.fma(x, a + 2, r.c(-(a + 3), x)), r.mul(x, x), 1.0);
    return r.fma(r.fma(r.fma(x, a, r.c(-5 * a, x)), x, 8 * a), x, -4 * a);
  }

  SmallVector<Tap> taps(Value coordinate) {
    Value x = pixel(coordinate);
    if (op.getMode() == nn::ResizeMode::Nearest)
      return {tap(integer(moved(emitRoundEven(b, x))), {})};
    x = moved(x);
    Value floor = emitFloor(b, x), fraction = r.sub(x, floor);
    Index base = integer(floor);
    if (op.getMode() == nn::ResizeMode::Linear)
      return {tap(base, r.sub(r.c(1, fraction), fraction)), tap(b.add(base, 1), fraction)};
    SmallVector<Tap> all;
    for (int neighbour = -1; neighbour <= 2; ++neighbour)
      all.push_back(tap(b.add(base, neighbour), cubic(fraction, neighbour)));
    return all;
  }
};
} // namespace

Value Evaluator::gridSampleAt(nn::GridSampleOp op, const Place &place) {
  if (place.lanes)
    return laneByLane(op, place);
  Registers r{b};
  Type grid = typeAt(op.getGrid(), 0), type = typeAt(op, 0);
  auto input = nn::dimsOf(op.getInput().getType());
  unsigned spatial = input.size() - 2;
  SmallVector<SmallVector<GridAxis::Tap>> axes;
  for (unsigned axis = 0; axis < spatial; ++axis) {
    Place where;
    where.index.push_back(place.index[0]);
    where.index.append(place.index.begin() + 2, place.index.end());
    where.index.push_back(int64_t(spatial - 1 - axis));
    // Coordinates are shared by all channels, so they are remembered where the channels' loop is the inner one.
    axes.push_back(GridAxis(b, op, b.dim(input[2 + axis]), grid).taps(at(op.getGrid(), where)));
  }
  Place source{{place.index[0], place.index[1]}};
  source.index.resize(input.size(), Index(0));
  Value zero = b.constant(0, type);
  std::function<Value(unsigned, Value)> level = [&](unsigned axis, Value inside) -> Value {
    if (axis == spatial) {
      Value pixel = at(op.getInput(), source);
      return inside ? r.select(inside, pixel, zero) : pixel;
    }
    Value sum;
    for (const GridAxis::Tap &tap : axes[axis]) {
      source.index[2 + axis] = tap.index;
      Value both = !tap.inside ? inside : inside ? r.andi(inside, tap.inside) : tap.inside;
      Value part = level(axis + 1, both);
      if (!tap.weight)
        return part;
      part = r.mul(part, b.convert(tap.weight, type));
      sum = sum ? r.add(sum, part) : part;
    }
    return sum;
  };
  return level(0, {});
}

namespace {
/// The samples along one axis of a region's cell.
struct RoiAxis {
  KernelBuilder &b;
  Registers r;
  nn::RoiAlignOp op;
  Index size;
  Value start, cell; // in pixels
  Index samples;

  RoiAxis(KernelBuilder &b, nn::RoiAlignOp op, Index size, Value low, Value high, int64_t cells) : b(b), r{b}, op(op), size(size) {
    double scale = op.getSpatialScale().convertToDouble(), offset = op.getHalfPixel() ? 0.5 : 0.0;
    start = r.sub(r.mul(low, scale), offset);
    Value length = r.sub(r.sub(r.mul(high, scale), offset), start);
    if (!op.getHalfPixel())
      length = r.atLeast(length, r.c(1, length));
    cell = r.div(length, r.c(double(cells), length));
    if (op.getSamplingRatio() > 0) {
      samples = int64_t(op.getSamplingRatio());
      return;
    }
    constexpr double kMostSamples = 1 << 16; // a region that is not a number, or not one of this image
    Value count = r.clamp(emitCeil(b, cell), 0, kMostSamples);
    count = r.select(r.isNan(count), r.c(0, count), count);
    samples = Index(arith::FPToSIOp::create(b.ops(), b.ops().getI64Type(), count).getResult());
  }

  struct Taps {
    Index low, high;
    Value fraction, outside;
  };
  Taps taps(Index at, Index sample) {
    Type type = start.getType();
    auto real = [&](Index i) -> Value { return arith::SIToFPOp::create(b.ops(), type, b.value(i)); };
    Value x = r.add(start, r.mul(real(at), cell));
    x = r.add(x, r.div(r.mul(r.add(real(sample), 0.5), cell), real(samples)));
    Value extent = real(size), last = r.sub(extent, 1.0);
    Value inside = r.andi(r.cmp(P::OGE, x, r.c(-1, x)), r.cmp(P::OLE, x, extent));
    Value bounded = r.select(inside, r.clampTo(x, r.c(0, x), last), r.c(0, x)), floor = emitFloor(b, bounded);
    Index low = Index(arith::FPToSIOp::create(b.ops(), b.ops().getI64Type(), floor).getResult());
    Value yes = arith::ConstantOp::create(b.ops(), b.ops().getBoolAttr(true));
    return {low, b.min(b.add(low, 1), b.sub(size, 1)), r.sub(bounded, floor), r.xori(inside, yes)};
  }
};
} // namespace

Value Evaluator::roiAlignAt(nn::RoiAlignOp op, const Place &place) {
  if (place.lanes)
    return laneByLane(op, place);
  Registers r{b};
  Type type = typeAt(op, 0);
  auto input = nn::dimsOf(op.getInput().getType());
  Index region = place.index[0];
  auto bound = [&](int64_t i) { return at(op.getRois(), Place{{region, Index(i)}}); };
  RoiAxis rows(b, op, b.dim(input[2]), bound(1), bound(3), op.getSizes()[0]), columns(b, op, b.dim(input[3]), bound(0), bound(2), op.getSizes()[1]);
  Place source{{wrapped(indexAt(op.getBatch(), {region}), b.dim(input[0])), place.index[1], Index(0), Index(0)}};
  Fold kind = op.getMaximum() ? Fold::MaxNumber : Fold::Add;
  Value total = fold(kind, type, {{0, rows.samples}, {0, columns.samples}}, 0, [&](ArrayRef<Index> sample, int) {
    RoiAxis::Taps y = rows.taps(place.index[2], sample[0]), x = columns.taps(place.index[3], sample[1]);
    auto pixel = [&](Index row, Index column, Value weight) {
      source.index[2] = row, source.index[3] = column;
      return r.mul(at(op.getInput(), source), weight);
    };
    Value one = r.c(1, y.fraction), top = r.sub(one, y.fraction), left = r.sub(one, x.fraction);
    Value parts[] = {pixel(y.low, x.low, r.mul(top, left)), pixel(y.low, x.high, r.mul(top, x.fraction)),
                     pixel(y.high, x.low, r.mul(y.fraction, left)), pixel(y.high, x.high, r.mul(y.fraction, x.fraction))};
    Value sum = parts[0];
    for (Value part : ArrayRef(parts).drop_front())
      sum = combine(kind, sum, part);
    return r.select(r.ori(y.outside, x.outside), r.c(0, sum), sum);
  });
  Index count = b.mul(rows.samples, columns.samples);
  if (op.getMaximum()) // a region without samples is 0
    return r.select(b.lessThan(0, count), total, r.c(0, total));
  return r.div(total, floatOf(b.max(count, 1), type));
}

} // namespace tenon::cpu
