#include "passes/6_codegen/cpu/ContractionStage.h"
#include "passes/6_codegen/cpu/DotBfloat.h"
#include "passes/6_codegen/cpu/DotBytes.h"
#include "passes/6_codegen/cpu/DotPairs.h"
#include "passes/6_codegen/cpu/Transpose.h"

namespace tenon::cpu {
using namespace mlir;

/// What padding reads, in the elements of a copy.
static Value outsideOf(KernelBuilder &b, const ContractionProblem &p, Type element) {
  if (p.dot == 1 || p.bfloat)
    return b.constant(0.0, element);
  return p.dot == 2 ? pairOf(b, p.outside) : fourOf(b, p.outside);
}

static Type storageType(Value value) { return cast<RankedTensorType>(value.getType()).getElementType(); }

namespace {
/// The copy of one band. The axis before the channels is the innermost spatial axis, called x here.
class BandCopy {
public:
  BandCopy(KernelBuilder &b, const ContractionProblem &p, const LhsBox &box, const Tensor &band)
      : b(b), p(p), box(box), band(band), source(b, p.lhs), x(p.lhsChannel - 1), channels(box.axes.back().extent),
        pitch(band.sizes.back()), zero(outsideOf(b, p, band.element)), inside(box.axes.size()) {
    kernel::View view = kernel::viewOf(p.lhs);
    if (!isa<BlockArgument>(view.source))
      return;
    strides = view.strides;
    if (p.woven)
      return;
    if (p.dot > 1) {
      memory = inLanes(b, p, b.tensorOf(p.lhs));
      return;
    }
    bool dense = strides[p.lhsChannel].isConstant(1) && strides[x] == nn::dimOf(p.lhs.getType(), p.lhsChannel);
    if (dense && storageType(p.lhs) == band.element)
      memory = b.tensorOf(p.lhs);
  }

  void emit() { outerAxis(0, band.offset); }

private:
  /// Axes outside of x: one loop each; a position outside of lhs fills everything below with zeros.
  void outerAxis(int axis, Index to) {
    if (axis == x)
      return row(to);
    Index size = b.dim(nn::dimOf(p.lhs.getType(), axis));
    positions(box.axes[axis], [&](Index from, Index at) {
      Index position = b.add(box.axes[axis].start, from);
      Index target = b.add(to, b.mul(at, band.strides[axis]));
      inside[axis] = position;
      if (!mayLeave(axis))
        return outerAxis(axis + 1, target);
      // One comparison covers both sides: negative positions are huge without a sign.
      Value valid = arith::CmpIOp::create(b.ops(), arith::CmpIPredicate::ult, b.value(position), b.value(size));
      b.ifThen(valid, [&] { outerAxis(axis + 1, target); }, [&] { clear(axis + 1, target); });
    });
  }

  /// Each part's first position, from the start in lhs and in the copy.
  void parts(const LhsBox::Axis &axis, llvm::function_ref<void(Index, Index)> body) {
    if (axis.parts == 1)
      return body(0, 0);
    b.loop(0, axis.parts, 1, [&](Index part) { body(b.mul(part, axis.lhsStep), b.mul(part, axis.bandStep)); });
  }
  void positions(const LhsBox::Axis &axis, llvm::function_ref<void(Index, Index)> body) {
    parts(axis, [&](Index from, Index at) { b.loop(0, axis.extent, 1, [&](Index i) { body(b.add(from, i), b.add(at, i)); }); });
  }

  bool mayLeave(int axis) const { return p.padded && (p.lhsAxes[axis].tapAxis >= 0 || (p.joined && axis == x)); }

  void clear(int axis, Index to) {
    if (axis == x)
      return b.fill(band, to, b.mul(p.joined ? band.sizes[x] : box.axes[x].whole(b), pitch), zero);
    b.loop(0, box.axes[axis].whole(b), 1, [&](Index i) { clear(axis + 1, b.add(to, b.mul(i, band.strides[axis]))); });
  }

  void row(Index to) {
    parts(box.axes[x], [&](Index from, Index at) { rowPart(b.add(to, b.mul(at, pitch)), b.add(box.axes[x].start, from)); });
  }

  /// The pixels of a row that lie in lhs: [first, second).
  std::pair<Index, Index> insideOf(Index start) {
    Index size = b.dim(nn::dimOf(p.lhs.getType(), x)), extent = box.axes[x].extent;
    if (!mayLeave(x))
      return {0, extent};
    Index left = b.min(b.max(b.sub(0, start), 0), extent);
    return {left, b.max(b.min(b.sub(size, start), extent), left)};
  }

  void rowPart(Index to, Index start) {
    if (p.joined)
      return joinedRow(to, start);
    Index extent = box.axes[x].extent;
    auto [left, right] = insideOf(start);
    if (mayLeave(x)) {
      b.fill(band, to, b.mul(left, pitch), zero);
      b.fill(band, b.add(to, b.mul(right, pitch)), b.mul(b.sub(extent, right), pitch), zero);
    }
    Index target = b.add(to, b.mul(left, pitch)), first = b.add(start, left), count = b.sub(right, left);
    if (memory)
      copyDense(target, first, count);
    else if (p.woven)
      copyWoven(target, first, count);
    else if (alongX())
      copyAlongX(target, first, count);
    else
      copyAlongChannels(target, first, count);
  }

  void copyDense(Index to, Index first, Index count) {
    SmallVector<Index> position = inside;
    position[x] = first;
    position[p.lhsChannel] = 0;
    Index from = b.at(*memory, position);
    Index step = memory->strides[x], length = p.widens() ? b.div(channels, 2) : channels; // of a pixel in memory, which holds pairs as fours of bytes
    if (pitch.is(channels.get()) && step.is(length.get()))
      return copyRun(to, from, b.mul(count, length));
    b.loop(0, count, 1, [&](Index i) { copyRun(b.add(to, b.mul(i, pitch)), b.add(from, b.mul(i, step)), length); });
  }

  void copyRun(Index to, Index from, Index count) {
    if (p.widens())
      return widenFours(b, *memory, from, count, band, to);
    int lanes = b.target().lanes(band.element.getIntOrFloatBitWidth());
    b.lanesLoop(count, lanes, [&](Index i, Value mask) {
      Index source = b.add(from, i), target = b.add(to, i);
      if (mask)
        b.storeMasked(b.loadMasked(*memory, source, lanes, mask), band, target, mask);
      else
        b.store(b.load(*memory, source, lanes), band, target);
    });
  }

  /// A channel as it is multiplied, in the low bits of lanes of 32.
  Value unitOf(Value channel, int lanes) {
    auto units = VectorType::get({lanes}, b.ops().getI32Type());
    if (p.bfloat)
      channel = arith::BitcastOp::create(b.ops(), units.clone(b.ops().getI16Type()), b.convert(channel, b.ops().getBF16Type()));
    return arith::ExtUIOp::create(b.ops(), units, channel);
  }

  /// A pixel's few channels in one four of bytes, or in pairs; what is missing is 0, as its weights are.
  void copyWoven(Index to, Index first, Index count) {
    int64_t few = *nn::dimOf(p.lhs.getType(), p.lhsChannel).asConstant(), bits = 32 / p.dot;
    auto weave = [&](Index i, int lanes) {
      SmallVector<Index> position = inside;
      position[x] = b.add(first, i);
      SmallVector<Value> planes(channels.get());
      for (int64_t c = 0; c < few; ++c) {
        position[p.lhsChannel] = c;
        Value wide = unitOf(b.splat(source.load(position, lanes, x), lanes), lanes), &plane = planes[c / p.dot];
        if (c % p.dot)
          wide = arith::ShLIOp::create(b.ops(), wide, b.integer(c % p.dot * bits, wide.getType()));
        plane = plane ? Value(arith::OrIOp::create(b.ops(), plane, wide)) : wide;
      }
      if (p.bfloat)
        for (Value &plane : planes)
          plane = arith::BitcastOp::create(b.ops(), VectorType::get({lanes}, band.element), plane);
      for (auto [part, vector] : llvm::enumerate(interleave(b, planes)))
        b.store(vector, band, b.sum(to, b.mul(i, pitch), part * lanes));
    };
    int lanes = b.target().lanes(band.element.getIntOrFloatBitWidth());
    Index whole = b.sub(count, b.rem(count, lanes));
    b.loop(0, whole, lanes, [&](Index i) { weave(i, lanes); });
    b.loop(whole, count, 1, [&](Index i) { weave(i, 1); });
  }

  /// The bytes of all pixels of a row one behind the other, in 16 bits.
  void joinedRow(Index to, Index start) {
    Tensor halves = band;
    halves.element = b.ops().getI16Type();
    int64_t count = *nn::dimOf(p.lhs.getType(), p.lhsChannel).asConstant();
    Value outside = b.integer(p.outside, halves.element);
    auto at = [&](Index pixel) { return b.add(b.mul(to, 2), b.mul(pixel, count)); };
    Index extent = box.axes[x].extent;
    auto [left, right] = insideOf(start);
    b.fill(halves, at(0), b.mul(left, count), outside);
    b.fill(halves, at(right), b.mul(b.sub(extent, right), count), outside);
    auto copy = [&](Index pixel, int lanes) {
      SmallVector<Index> position = inside;
      position[x] = b.add(start, pixel);
      SmallVector<Value> planes;
      for (int64_t c = 0; c < count; ++c) {
        position[p.lhsChannel] = c;
        planes.push_back(arith::ExtUIOp::create(b.ops(), VectorType::get({lanes}, halves.element), b.splat(source.load(position, lanes, x), lanes)));
      }
      for (auto [part, vector] : llvm::enumerate(interleave(b, planes)))
        b.store(vector, halves, b.add(at(pixel), part * lanes));
    };
    int lanes = b.target().lanes(band.element.getIntOrFloatBitWidth());
    Index whole = b.sub(right, b.rem(b.sub(right, left), lanes));
    b.loop(left, whole, lanes, [&](Index pixel) { copy(pixel, lanes); });
    b.loop(whole, right, 1, [&](Index pixel) { copy(pixel, 1); });
  }

  /// Few channels, or channels that lie far apart (a channels-first input): vectors of neighbours in x.
  bool alongX() const {
    int lanes = b.target().lanes(band.element.getIntOrFloatBitWidth());
    bool contiguous = !strides.empty() && strides[x].isConstant(1) && !strides[p.lhsChannel].isConstant(1);
    return contiguous || (channels.isConstant() && channels.get() < lanes && strides.empty());
  }

  void copyAlongX(Index to, Index first, Index count) {
    int lanes = b.target().lanes(band.element.getIntOrFloatBitWidth());
    bool weave = channels.isConstant() && channels.get() >= 2 && channels.get() <= 4;
    Index whole = b.sub(count, b.rem(count, lanes));
    b.loop(0, whole, lanes, [&](Index i) {
      Index target = b.add(to, b.mul(i, pitch));
      if (!weave)
        return b.loop(0, channels, 1, [&](Index c) {
          b.storeStrided(read(b.add(first, i), c, lanes, x), band, b.add(target, c), pitch);
        });
      SmallVector<Value> planes;
      for (int64_t c = 0; c < channels.get(); ++c)
        planes.push_back(read(b.add(first, i), c, lanes, x));
      for (auto [k, vector] : llvm::enumerate(interleave(b, planes)))
        b.store(vector, band, b.add(target, k * lanes));
    });
    b.loop(whole, count, 1, [&](Index i) {
      b.loop(0, channels, 1, [&](Index c) {
        b.storeStrided(read(b.add(first, i), c, 1, x), band, b.sum(to, b.mul(i, pitch), c), pitch);
      });
    });
  }

  void copyAlongChannels(Index to, Index first, Index count) {
    int lanes = b.target().lanes(band.element.getIntOrFloatBitWidth());
    b.loop(0, count, 1, [&](Index i) {
      b.lanesLoop(channels, lanes, [&](Index c, Value mask) {
        Value vector = read(b.add(first, i), c, lanes, p.lhsChannel, mask);
        Index target = b.sum(to, b.mul(i, pitch), c);
        mask ? b.storeMasked(vector, band, target, mask) : b.store(vector, band, target);
      });
    });
  }

  Value read(Index column, Index channel, int lanes, int axis, Value mask = {}) {
    SmallVector<Index> position = inside;
    position[x] = column;
    position[p.lhsChannel] = channel;
    return b.convert(source.load(position, lanes, axis, mask), band.element);
  }

  KernelBuilder &b;
  const ContractionProblem &p;
  const LhsBox &box;
  const Tensor &band;
  Prologue source;
  int x;
  Index channels, pitch; // of a pixel: what is copied, and from one to the next in the copy
  Value zero;
  SmallVector<Index> inside;
  SmallVector<nn::Dim> strides; // of lhs, where it is a view
  std::optional<Tensor> memory; // lhs, where rows of pixels are contiguous
};
} // namespace

void copyBand(KernelBuilder &b, const ContractionProblem &p, const LhsBox &box, const Tensor &band) {
  BandCopy(b, p, box, band).emit();
}

void packRow(KernelBuilder &b, const ContractionProblem &p, const Tensor &packed, Index to, SmallVector<Index> row, Index depthStart, int64_t depth) {
  if (p.widens()) {
    Tensor fours = inFours(b, b.tensorOf(p.lhs));
    return widenFours(b, fours, b.add(b.at(fours, row), b.div(depthStart, 2)), depth / 2, packed, to);
  }
  Prologue source(b, p.lhs);
  int64_t lanes = b.target().lanes(packed.element.getIntOrFloatBitWidth());
  b.lanesLoop(depth, lanes, [&](Index k, Value mask) {
    SmallVector<Index> at = row;
    at[p.lhsChannel] = b.sum(at[p.lhsChannel], depthStart, k);
    Value vector = b.convert(source.load(at, lanes, p.lhsChannel, mask), packed.element);
    mask ? b.storeMasked(vector, packed, b.add(to, k), mask) : b.store(vector, packed, b.add(to, k));
  });
}

namespace {
/// Packs one panel of a right operand that is not packed yet.
class PanelCopy {
public:
  PanelCopy(KernelBuilder &b, const ContractionProblem &p, const Tensor &panel, ArrayRef<Index> rows, Index column, Index count, int64_t width)
      : b(b), p(p), panel(panel), source(b, p.rhs), column(column), count(count), width(width),
        lanes(b.target().lanes(panel.element.getIntOrFloatBitWidth())), position(cast<RankedTensorType>(p.rhs.getType()).getRank()) {
    for (auto [axis, rhsAxis] : llvm::enumerate(p.rhsRows))
      if (rhsAxis >= 0)
        position[rhsAxis] = rows[axis];
  }

  void emit() { tap(0, panel.offset); }

private:
  Index tap(size_t axis, Index to) {
    Index depth = b.dim(p.depth);
    if (axis == p.taps.size()) {
      columns(to, depth);
      return b.mul(depth, width);
    }
    int64_t inner = width;
    for (size_t i = axis + 1; i < p.taps.size(); ++i)
      inner *= p.taps[i];
    Index stride = b.mul(depth, inner);
    b.loop(0, p.taps[axis], 1, [&](Index t) {
      position[p.rhsTap + axis] = t;
      tap(axis + 1, b.add(to, b.mul(t, stride)));
    });
    return stride;
  }

  void columns(Index to, Index depth) {
    kernel::View view = kernel::viewOf(p.rhs);
    bool alongDepth = isa<BlockArgument>(view.source) && view.strides[p.rhsDepth].isConstant(1);
    Index whole = b.min(b.sub(count, b.rem(count, lanes)), width / lanes * lanes);
    b.loop(0, whole, lanes, [&](Index n) {
      if (!alongDepth || !canTranspose(lanes))
        return b.loop(0, depth, 1, [&](Index k) { b.store(read(k, n, lanes, p.rhsColumn), panel, b.sum(to, b.mul(k, width), n)); });
      Index square = b.sub(depth, b.rem(depth, lanes));
      b.loop(0, square, lanes, [&](Index k) { transposed(to, k, n); });
      b.loop(square, depth, 1, [&](Index k) { b.store(read(k, n, lanes, p.rhsColumn), panel, b.sum(to, b.mul(k, width), n)); });
    });
    // The last columns of the panel: single elements, then zeros.
    b.loop(0, depth, 1, [&](Index k) {
      Index row = b.add(to, b.mul(k, width));
      b.loop(whole, b.min(count, width), 1, [&](Index n) { b.store(scalar(k, n), panel, b.add(row, n)); });
      b.fill(panel, b.add(row, count), b.max(b.sub(width, count), 0), b.constant(0.0, panel.element));
    });
  }

  /// A square of lanes x lanes elements: read along k, transposed in registers.
  void transposed(Index to, Index k, Index n) {
    SmallVector<Value> square;
    for (int64_t i = 0; i < lanes; ++i)
      square.push_back(read(k, b.add(n, i), lanes, p.rhsDepth));
    for (auto [i, vector] : llvm::enumerate(transposeSquare(b, square)))
      b.store(vector, panel, b.sum(to, b.mul(b.add(k, i), width), n));
  }

  Value read(Index k, Index n, int64_t count, int axis) {
    position[p.rhsDepth] = k;
    position[p.rhsColumn] = b.add(column, n);
    return b.convert(source.load(position, count, axis), panel.element);
  }
  Value scalar(Index k, Index n) {
    Value vector = read(k, n, 1, p.rhsColumn);
    if (!isa<VectorType>(vector.getType()))
      return vector;
    return vector::ExtractOp::create(b.ops(), vector, ArrayRef<int64_t>{0});
  }

  KernelBuilder &b;
  const ContractionProblem &p;
  const Tensor &panel;
  Prologue source;
  Index column, count;
  int64_t width, lanes;
  SmallVector<Index> position;
};
} // namespace

void packPanel(KernelBuilder &b, const ContractionProblem &p, const Tensor &panel, ArrayRef<Index> rows, Index column, Index count, int64_t width) {
  PanelCopy(b, p, panel, rows, column, count, width).emit();
}

} // namespace tenon::cpu
