#include "passes/6_codegen/cpu/ContractionTile.h"
#include "passes/6_codegen/cpu/DotBfloat.h"
#include "passes/6_codegen/cpu/DotBytes.h"
#include "passes/6_codegen/cpu/DotPairs.h"
#include "mlir/Dialect/Arith/IR/Arith.h"

namespace tenon::cpu {
using namespace mlir;
using Values = KernelBuilder::Values;

/// Accumulators that keep two multiply-add pipes of latency 4 to 5 busy.
constexpr int64_t kEnoughAccumulators = 8;

Value emitMultiplyAdd(KernelBuilder &b, Value x, Value y, Value sum) {
  if (isa<FloatType>(getElementTypeOrSelf(sum.getType())))
    return b.fma(x, y, sum);
  auto &ops = b.ops();
  return arith::AddIOp::create(ops, arith::MulIOp::create(ops, x, y), sum);
}

Value emitAdd(KernelBuilder &b, Value x, Value y) {
  if (isa<FloatType>(getElementTypeOrSelf(x.getType())))
    return arith::AddFOp::create(b.ops(), x, y);
  return arith::AddIOp::create(b.ops(), x, y);
}

namespace {
class TileEmitter {
public:
  TileEmitter(KernelBuilder &b, const TileShape &shape, const LhsAddress &lhs, const RhsAddress &rhs, const PrefetchStream &prefetch)
      : b(b), shape(shape), lhs(lhs), rhs(rhs), prefetch(prefetch) {
    int64_t size = shape.rows * std::max(shape.vectors, shape.widest);
    while (splits * 2 <= shape.unroll && shape.unroll % (splits * 2) == 0 && size * splits < kEnoughAccumulators)
      splits *= 2;
  }

  Values emit(ValueRange init) {
    Values sums(init);
    Value zero = b.constant(0.0, init.front().getType());
    sums.append((splits - 1) * init.size(), zero);
    sums = tapLoops(0, lhs.base, rhs.base, prefetch.base, sums);
    for (size_t width = splits * init.size() / 2; width >= init.size(); width /= 2)
      for (size_t i = 0; i < width; ++i)
        sums[i] = emitAdd(b, sums[i], sums[i + width]);
    sums.truncate(init.size());
    return sums;
  }

private:
  /// One loop for each tap axis, the depth loop inside.
  Values tapLoops(size_t axis, Index lhsBase, Index rhsBase, Index linesBase, ValueRange sums) {
    if (axis == shape.taps.size())
      return depthLoop(lhsBase, rhsBase, linesBase, sums);
    int64_t inner = prefetch.lines * prefetchSteps(axis + 1);
    auto [first, end] = shape.live[axis];
    return b.loop(first, end, 1, sums, [&](Index tap, ValueRange carried) {
      return tapLoops(axis + 1, b.add(lhsBase, b.mul(tap, lhs.taps[axis])), b.add(rhsBase, b.mul(tap, rhs.taps[axis])),
                      prefetch.lines ? b.add(linesBase, b.mul(tap, inner * lineElements())) : linesBase, carried);
    });
  }

  /// Iterations of the depth loop in one turn of the tap loops from `axis` on; only asked for constant depths.
  int64_t prefetchSteps(size_t axis) const {
    int64_t steps = shape.depth.isConstant() ? shape.depth.get() / shape.unroll : 0;
    for (size_t i = axis; i < shape.taps.size(); ++i)
      steps *= shape.taps[i];
    return steps;
  }

  int64_t lineElements() const { return 512 / prefetch.memory.element.getIntOrFloatBitWidth(); }

  Values depthLoop(Index lhsBase, Index rhsBase, Index linesBase, ValueRange sums) {
    Index main = b.sub(shape.depth, b.rem(shape.depth, shape.unroll));
    Values carried = b.loop(0, main, shape.unroll, sums, [&](Index k, ValueRange in) {
      if (prefetch.lines) {
        int64_t advance = prefetch.lines * lineElements();
        Index line = advance % shape.unroll ? b.mul(b.div(k, shape.unroll), advance) : b.mul(k, advance / shape.unroll);
        for (int64_t i = 0; i < prefetch.lines; ++i)
          b.prefetch(prefetch.memory, b.sum(linesBase, line, i * lineElements()));
      }
      Values out(in);
      for (int64_t u = 0; u < shape.unroll; ++u)
        step(lhsBase, rhsBase, k, u, out);
      return out;
    });
    if (shape.depth.isConstant()) {
      for (int64_t u = 0; main.get() + u < shape.depth.get(); ++u)
        step(lhsBase, rhsBase, main, u, carried);
      return carried;
    }
    if (shape.unroll == 1)
      return carried;
    return b.loop(main, shape.depth, 1, carried, [&](Index k, ValueRange in) {
      Values out(in);
      step(lhsBase, rhsBase, k, 0, out);
      return out;
    });
  }

  /// One k: loads the vectors of rhs, broadcasts one element of lhs for each row, multiplies and adds.
  void step(Index lhsBase, Index rhsBase, Index k, int64_t unrolled, Values &sums) {
    Index rhsOffset = b.sum(rhsBase, b.mul(k, rhs.depth), b.mul(rhs.depth, unrolled));
    Values vectors;
    for (int64_t x = 0; x < shape.vectors; ++x)
      vectors.push_back(rhs.difference ? subtracted(rhsOffset, b.sub(rhsOffset, rhsBase), x) : loadVector(rhsOffset, x));
    Index lhsOffset = b.add(b.add(lhsBase, b.mul(k, lhs.depth)), b.mul(lhs.unroll, unrolled));
    int64_t first = unrolled % splits * shape.rows * shape.vectors;
    for (int64_t r = 0; r < shape.rows; ++r) {
      Value scalar = loadScalar(b.add(lhsOffset, lhs.rows[r]));
      for (int64_t x = 0; x < shape.vectors; ++x) {
        Value &sum = sums[first + r * shape.vectors + x];
        sum = multiplyAdd(scalar, vectors[x], sum);
      }
      // The scheduler would load ahead what out-of-order execution overlaps anyway, and spill accumulators for it.
      if (shape.rows > 1)
        b.keepMemoryOrder();
    }
  }

  Value multiplyAdd(Value x, Value y, Value sum) {
    switch (shape.dot) {
    case 1:
      return emitMultiplyAdd(b, x, y, sum);
    case 2:
      return isa<FloatType>(shape.element) ? emitBfloatPairs(b, x, y, sum) : emitPairs(b, x, y, sum);
    default:
      return emitDot(b, x, y, sum);
    }
  }

  Value loadVector(Index offset, int64_t x) {
    Index at = b.add(offset, b.mul(rhs.column, x * shape.lanes));
    Value mask = x == shape.vectors - 1 ? rhs.tail : Value();
    Value vector = b.loadStrided(rhs.memory, at, rhs.column, shape.lanes, mask);
    return rhs.memory.element.isInteger(16) && shape.dot == 2 ? widenWeights(b, vector) : b.convert(vector, shape.element);
  }

  /// Loads and stores that take place while the pipes multiply cost nothing; the subtraction alone takes turns of a pipe.
  Value subtracted(Index offset, Index along, int64_t x) {
    const RhsAddress::Difference &from = *rhs.difference;
    Value minus = b.load(from.minus, b.sum(from.minusBase, along, x * shape.lanes), shape.lanes);
    Value difference = arith::SubFOp::create(b.ops(), loadVector(offset, x), minus);
    b.store(difference, from.kept, b.sum(from.keptBase, along, x * shape.lanes));
    return difference;
  }

  Value loadScalar(Index at) {
    if (lhs.memory.element == shape.element)
      return b.broadcastLoad(lhs.memory, at, shape.lanes);
    return b.splat(b.convert(b.load(lhs.memory, at), shape.element), shape.lanes);
  }

  KernelBuilder &b;
  const TileShape &shape;
  const LhsAddress &lhs;
  const RhsAddress &rhs;
  const PrefetchStream &prefetch;
  int64_t splits = 1;
};
} // namespace

Values emitTile(KernelBuilder &b, const TileShape &shape, const LhsAddress &lhs, const RhsAddress &rhs,
                const PrefetchStream &prefetch, ValueRange init) {
  return TileEmitter(b, shape, lhs, rhs, prefetch).emit(init);
}

} // namespace tenon::cpu
