#include "lib/Importer/CropAndResize.h"
#include "lib/Importer/Formula.h"

namespace tenon::importer {
using namespace mlir;
using nn::Dim;

/// A vector along axis `axis` of `rank` axes.
static Value along(Node &node, Value vector, int64_t axis, int64_t rank) {
  SmallVector<Dim> dims(rank, node.dim(1));
  if (node.failed())
    return {};
  dims[axis] = nn::numElements(vector.getType());
  return node.reshape(vector, dims);
}

/// Where each of `count` results reads along an axis of `extent` elements, in f64.
static Value positionsIn(Node &node, Value start, Value end, Dim extent, Dim count) {
  Formula f(node);
  Type f64 = node.builder.getF64Type();
  auto size = [&](Dim dim) { return node.cast(f.sizeValue(dim), f64); };
  Value last = f.add(size(extent), -1), steps = f.add(size(count), -1), one = node.scalar(1, f64);
  Value step = f.div(f.mul(f.sub(end, start), last), node.make<nn::MaxOp>(steps, one));
  Value middle = f.mul(f.mul(f.add(start, end), last), 0.5), isOne = f.less(steps, one);
  Value first = f.select(isOne, middle, f.mul(start, last));
  return f.add(f.mul(node.cast(f.positions(count, 0, 1), f64), step), first);
}

static Value nearestTo(Node &node, Value position, nn::NearestMode mode) {
  Formula f(node);
  switch (mode) {
  case nn::NearestMode::RoundPreferFloor:
    return node.make<nn::CeilOp>(f.add(position, -0.5));
  case nn::NearestMode::RoundPreferCeil:
    return node.make<nn::FloorOp>(f.add(position, 0.5));
  case nn::NearestMode::Floor:
    return node.make<nn::FloorOp>(position);
  case nn::NearestMode::Ceil:
    return node.make<nn::CeilOp>(position);
  }
  llvm_unreachable("covered switch");
}

Value cropAndResize(Node &node, Value roi, ArrayRef<int64_t> axes, ArrayRef<Dim> sizes, nn::NearestModeAttr nearest, double extrapolation) {
  Formula f(node);
  Type f64 = node.builder.getF64Type(), index = node.builder.getI64Type(), real = node.element(0).isF64() ? f64 : Type(node.builder.getF32Type());
  int64_t rank = node.rank(0);
  Value out = node.cast(node.in(0), real), isInside;
  for (auto [i, axis] : llvm::enumerate(axes)) {
    auto edge = [&](int64_t entry) { return node.reshape(node.slice(roi, 0, node.dim(entry), node.dim(1)), {}); };
    Dim extent = node.dims(0)[axis];
    Value position = positionsIn(node, node.cast(edge(i), f64), node.cast(edge(axes.size() + i), f64), extent, sizes[axis]);
    Value last = f.sizeValue(extent - 1), zero = node.scalar(0, index);
    auto read = [&](Value at) {
      return node.make<nn::GatherOp>(out, node.make<nn::MaxOp>(node.make<nn::MinOp>(node.cast(at, index), last), zero), node.i64(axis));
    };
    if (nearest) {
      out = read(nearestTo(node, position, nearest.getValue()));
    } else {
      Value below = node.make<nn::FloorOp>(position), share = along(node, node.cast(f.sub(position, below), real), axis, rank);
      Value low = read(below), high = read(f.add(below, 1));
      out = f.add(low, f.mul(f.sub(high, low), share));
    }
    Value within = f.both(f.atMost(node.scalar(0, f64), position), f.atMost(position, node.cast(last, f64)));
    within = along(node, within, axis, rank);
    isInside = isInside ? f.both(isInside, within) : within;
  }
  return node.cast(isInside ? f.select(isInside, out, node.scalar(extrapolation, real)) : out, node.element(0));
}

} // namespace tenon::importer
