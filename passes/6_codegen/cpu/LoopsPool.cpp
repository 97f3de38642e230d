// Folds over windows: pool, arg_pool.
#include "passes/6_codegen/cpu/LoopsEvaluator.h"
#include "passes/6_codegen/cpu/VectorMath.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;

namespace tenon::cpu {

static bool isUnsigned(Value v) { return cast<ShapedType>(v.getType()).getElementType().isUnsignedInteger(); }

Range tapsInside(KernelBuilder &b, Index start, int64_t size, int64_t dilation, Index extent) {
  Index before = b.max(b.sub(0, start), 0), after = b.max(b.sub(extent, start), 0);
  return {b.div(b.add(before, dilation - 1), dilation), b.min(size, b.div(b.add(after, dilation - 1), dilation))};
}

Value Evaluator::poolAt(nn::PoolOp op, const Place &place) {
  if (place.lanes && operandAxis(op, 0, place.axis) == kScattered)
    return laneByLane(op, place);
  auto &ops = b.ops();
  auto sizes = nn::dimsOf(op.getInput().getType());
  unsigned spatial = op.getWindow().size(), first = op.getLayout() == nn::Layout::ChannelsLast ? 1 : 2;
  SmallVector<Range> taps;
  SmallVector<Index> starts;
  Index count = 1;
  for (unsigned d = 0; d < spatial; ++d) {
    Index extent = b.dim(sizes[first + d]);
    Index start = b.sub(b.mul(place.index[first + d], op.getStrides()[d]), op.getPads()[d]);
    taps.push_back(tapsInside(b, start, op.getWindow()[d], op.getDilations()[d], extent));
    starts.push_back(start);
    // A mean that counts padding counts the taps inside the padded input.
    Range counted = taps.back();
    if (op.getCountIncludePad())
      counted = {0, tapsInside(b, start, op.getWindow()[d], op.getDilations()[d], b.add(extent, op.getPads()[spatial + d])).high};
    count = b.mul(count, b.sub(counted.high, counted.low));
  }
  Type type = typeAt(op.getInput(), place.lanes), element = getElementTypeOrSelf(type);
  bool isMax = op.getKind() == nn::PoolKind::Max;
  Fold kind = !isMax ? Fold::Add : isUnsigned(op.getInput()) ? Fold::MaxUnsigned : Fold::MaxNumber;
  Value folded = fold(kind, type, taps, 0, [&](ArrayRef<Index> index, int) -> Value {
    Place there{place};
    for (unsigned d = 0; d < spatial; ++d)
      there.index[first + d] = b.add(starts[d], b.mul(index[d], op.getDilations()[d]));
    Value x = at(op.getInput(), there);
    if (op.getKind() != nn::PoolKind::Lp)
      return x;
    Value magnitude = math::AbsFOp::create(ops, x);
    return op.getP() == 1   ? magnitude
           : op.getP() == 2 ? arith::MulFOp::create(ops, x, x).getResult()
                            : emitPow(b, magnitude, b.constant(double(op.getP()), type));
  });
  if (isMax)
    return folded;
  if (op.getKind() == nn::PoolKind::Average)
    return arith::DivFOp::create(ops, folded, spread(floatOf(count, element), place.lanes));
  return op.getP() == 1   ? folded
         : op.getP() == 2 ? math::SqrtOp::create(ops, folded).getResult()
                          : emitPow(b, folded, b.constant(1.0 / op.getP(), type));
}

Value Evaluator::argPoolAt(nn::ArgPoolOp op, const Place &place) {
  if (place.lanes)
    return laneByLane(op, place);
  auto &ops = b.ops();
  auto sizes = b.sizesOf(op.getInput());
  unsigned spatial = op.getWindow().size();
  SmallVector<Range> taps;
  SmallVector<Index> starts;
  for (unsigned d = 0; d < spatial; ++d) {
    starts.push_back(b.sub(b.mul(place.index[2 + d], op.getStrides()[d]), op.getPads()[d]));
    taps.push_back(tapsInside(b, starts[d], op.getWindow()[d], op.getDilations()[d], sizes[2 + d]));
  }
  // Within an image the axes run forwards, or backwards for column-major positions.
  auto positionOf = [&](ArrayRef<Index> index) {
    Index position = b.add(b.mul(index[0], sizes[1]), index[1]), image = 0;
    for (unsigned i = 0; i < spatial; ++i) {
      unsigned d = op.getColumnMajor() ? spatial - 1 - i : i;
      image = b.add(b.mul(image, sizes[2 + d]), index[2 + d]);
      position = b.mul(position, sizes[2 + d]);
    }
    return b.value(b.add(position, image));
  };
  Type type = typeAt(op.getInput(), 0);
  bool isFloat = isa<FloatType>(type);
  Value lowest = identity(isUnsigned(op.getInput()) ? Fold::MaxUnsigned : Fold::Max, type), none = b.value(Index(-1));
  return nest(taps, ValueRange{lowest, none}, [&](ArrayRef<Index> tap, ValueRange best) -> KernelBuilder::Values {
    Place there{place};
    for (unsigned d = 0; d < spatial; ++d)
      there.index[2 + d] = b.add(starts[d], b.mul(tap[d], op.getDilations()[d]));
    Value x = at(op.getInput(), there), larger;
    if (isFloat)
      larger = arith::CmpFOp::create(ops, arith::CmpFPredicate::OGT, x, best[0]);
    else
      larger = arith::CmpIOp::create(ops, isUnsigned(op.getInput()) ? arith::CmpIPredicate::ugt : arith::CmpIPredicate::sgt, x, best[0]);
    // The first element wins where nothing is larger than the smallest number.
    Value wins = arith::OrIOp::create(ops, larger, b.lessThan(Index(best[1]), 0));
    Value here = positionOf(there.index);
    return {arith::SelectOp::create(ops, wins, x, best[0]), arith::SelectOp::create(ops, wins, here, best[1])};
  })[1];
}

} // namespace tenon::cpu
