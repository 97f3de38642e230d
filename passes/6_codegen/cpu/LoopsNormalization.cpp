// Softmax and norms at an element, from statistics that are computed once a row.
#include "passes/6_codegen/cpu/LoopsEvaluator.h"
#include "passes/6_codegen/cpu/VectorMath.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;

namespace tenon::cpu {

namespace {
enum Tag { kMaximum = 1, kSum, kMean, kInverse, kGroup };

/// `place` with the axes from `first` to `end` taken out: the place of their statistics.
Place rowOf(const Place &place, int first, int end) {
  Place row{place};
  for (int axis = first; axis < end; ++axis)
    row.index[axis] = 0;
  if (row.lanes && row.axis >= first && row.axis < end)
    row.lanes = 0, row.axis = -1;
  return row;
}
} // namespace

std::pair<Value, Value> Evaluator::softmaxStatistics(nn::SoftmaxOp op, const Place &row) {
  auto &ops = b.ops();
  int64_t axis = op.getAxis();
  Value maximum = statistic(op, kMaximum, row, [&] { return foldAxes(Fold::MaxNumber, op.getInput(), axis, row); });
  Value sum = statistic(op, kSum, row, [&] {
    return foldAxes(Fold::Add, op.getInput(), axis, row,
                    [&](Value x, const Place &at) { return emitExpNegative(b, arith::SubFOp::create(ops, x, spread(maximum, at.lanes))); });
  });
  return {maximum, sum};
}

Value Evaluator::softmaxAt(nn::SoftmaxOp op, const Place &place) {
  auto &ops = b.ops();
  auto [maximum, sum] = softmaxStatistics(op, rowOf(place, op.getAxis(), op.getAxis() + 1));
  Value x = arith::SubFOp::create(ops, at(op.getInput(), place), spread(maximum, place.lanes));
  if (op.getLogarithm())
    return arith::SubFOp::create(ops, x, spread(emitLog(b, sum), place.lanes));
  return arith::DivFOp::create(ops, emitExpNegative(b, x), spread(sum, place.lanes));
}

std::pair<Value, Value> Evaluator::momentStatistics(Operation *op, Value input, ArrayRef<int64_t> axes, const Place &row, double epsilon, bool centred) {
  auto &ops = b.ops();
  Index count = 1;
  for (int64_t axis : axes)
    count = b.mul(count, b.dim(nn::dimOf(input.getType(), axis)));
  auto average = [&](Value total) -> Value {
    return arith::DivFOp::create(ops, total, spread(floatOf(count, getElementTypeOrSelf(total.getType())), row.lanes));
  };
  Value mean;
  if (centred)
    mean = statistic(op, kMean, row, [&] { return average(foldAxes(Fold::Add, input, axes, row)); });
  Value inverse = statistic(op, kInverse, row, [&] {
    Value variance = average(foldAxes(Fold::Add, input, axes, row, [&](Value x, const Place &at) -> Value {
      if (centred)
        x = arith::SubFOp::create(ops, x, spread(mean, at.lanes));
      return arith::MulFOp::create(ops, x, x);
    }));
    Value deviation = math::SqrtOp::create(ops, arith::AddFOp::create(ops, variance, b.constant(epsilon, variance.getType())));
    return arith::DivFOp::create(ops, b.constant(1.0, variance.getType()), deviation).getResult();
  });
  return {mean, inverse};
}

std::pair<Value, Value> Evaluator::normStatistics(Operation *op, const Place &row) {
  auto layer = dyn_cast<nn::LayerNormOp>(op);
  auto rms = dyn_cast<nn::RMSNormOp>(op);
  Value input = op->getOperand(0);
  int64_t first = layer ? layer.getAxis() : rms.getAxis();
  auto axes = llvm::to_vector(llvm::seq<int64_t>(first, cast<ShapedType>(input.getType()).getRank()));
  double epsilon = (layer ? layer.getEpsilon() : rms.getEpsilon()).convertToDouble();
  return momentStatistics(op, input, axes, row, epsilon, /*centred=*/bool(layer));
}

Value Evaluator::normAt(Operation *op, const Place &place) {
  auto &ops = b.ops();
  auto layer = dyn_cast<nn::LayerNormOp>(op);
  auto rms = dyn_cast<nn::RMSNormOp>(op);
  int first = layer ? layer.getAxis() : rms.getAxis(), rank = place.index.size();
  auto [mean, inverse] = normStatistics(op, rowOf(place, first, rank));
  Value x = at(op->getOperand(0), place);
  if (mean)
    x = arith::SubFOp::create(ops, x, spread(mean, place.lanes));
  x = arith::MulFOp::create(ops, x, spread(inverse, place.lanes));
  bool hasScale = layer ? bool(layer.getScale()) : bool(rms.getScale()), hasBias = layer ? bool(layer.getBias()) : bool(rms.getBias());
  if (hasScale)
    x = arith::MulFOp::create(ops, x, atOperand(op, 1, place));
  if (hasBias)
    x = arith::AddFOp::create(ops, x, atOperand(op, hasScale ? 2 : 1, place));
  return x;
}

std::pair<Value, Value> Evaluator::groupStatistics(nn::GroupNormOp op, Index batch, Index group) {
  // The group's channels and pixels as one fold; the statistics' place is (batch, group, 0 ...).
  auto &ops = b.ops();
  Value input = op.getInput();
  auto sizes = nn::dimsOf(input.getType());
  Index width = b.div(b.dim(sizes[1]), int64_t(op.getGroups())), count = width;
  SmallVector<Range> ranges{{b.mul(group, width), b.mul(b.add(group, 1), width)}};
  for (unsigned axis = 2; axis < sizes.size(); ++axis) {
    ranges.push_back({0, b.dim(sizes[axis])});
    count = b.mul(count, ranges.back().high);
  }
  Place row;
  row.index.assign(sizes.size(), Index(0));
  row.index[0] = batch, row.index[1] = group;
  int last = sizes.size() - 1, lanes = last > 1 && lanesAllowed(input, last) ? preferredLanes() : 0;
  auto size = sizes[last].asConstant();
  if (size && *size < lanes)
    lanes = 0;
  auto total = [&](function_ref<Value(Value, int)> map) -> Value {
    Value sum = fold(Fold::Add, typeAt(input, 0), ranges, lanes, [&](ArrayRef<Index> index, int wide) {
      Place there;
      there.index.push_back(batch);
      there.index.append(index.begin(), index.end());
      if (wide)
        there.lanes = wide, there.axis = last;
      return map(at(input, there), wide);
    });
    return arith::DivFOp::create(ops, sum, floatOf(count, sum.getType()));
  };
  Value mean = statistic(op, kMean, row, [&] { return total([](Value x, int) { return x; }); });
  Value inverse = statistic(op, kInverse, row, [&] {
    Value variance = total([&](Value x, int wide) -> Value {
      Value d = arith::SubFOp::create(ops, x, spread(mean, wide));
      return arith::MulFOp::create(ops, d, d);
    });
    Value shifted = arith::AddFOp::create(ops, variance, b.constant(op.getEpsilon().convertToDouble(), variance.getType()));
    return arith::DivFOp::create(ops, b.constant(1.0, variance.getType()), math::SqrtOp::create(ops, shifted)).getResult();
  });
  return {mean, inverse};
}

Index Evaluator::groupOf(nn::GroupNormOp op, Index channel) {
  Index width = b.div(b.dim(nn::dimOf(op.getInput().getType(), 1)), int64_t(op.getGroups()));
  if (width.is(1) || channel.isConstant())
    return width.is(1) ? channel : b.div(channel, width);
  // Remembered, so that the group's statistics are found again under the same index.
  return statistic(op, kGroup, Place{{channel}}, [&] { return b.value(b.div(channel, width)); });
}

Value Evaluator::groupNormAt(nn::GroupNormOp op, const Place &place) {
  if (place.lanes && place.axis < 2)
    return laneByLane(op, place);
  auto &ops = b.ops();
  Index channel = place.index[1];
  auto [mean, inverse] = groupStatistics(op, place.index[0], groupOf(op, channel));
  Value scale = arith::MulFOp::create(ops, inverse, at(op.getScale(), Place{{channel}}));
  Value x = arith::SubFOp::create(ops, at(op.getInput(), place), spread(mean, place.lanes));
  return b.fma(x, spread(scale, place.lanes), spread(at(op.getBias(), Place{{channel}}), place.lanes));
}

Value Evaluator::batchNormAt(nn::BatchNormOp op, const Place &place) {
  auto &ops = b.ops();
  Place channel{{place.index[1]}};
  if (place.lanes && place.axis == 1)
    channel.lanes = place.lanes, channel.axis = 0;
  auto parameter = [&](Value v) { return at(v, channel); };
  Value variance = parameter(op.getVariance());
  Value deviation = math::SqrtOp::create(ops, arith::AddFOp::create(ops, variance, b.constant(op.getEpsilon().convertToDouble(), variance.getType())));
  Value factor = arith::DivFOp::create(ops, parameter(op.getScale()), deviation);
  Value x = arith::SubFOp::create(ops, at(op.getInput(), place), spread(parameter(op.getMean()), place.lanes));
  return b.fma(x, spread(factor, place.lanes), spread(parameter(op.getBias()), place.lanes));
}

Value Evaluator::lrnAt(nn::LRNOp op, const Place &place) {
  if (place.lanes && place.axis == 1)
    return laneByLane(op, place);
  auto &ops = b.ops();
  int64_t size = op.getSize(), before = (size - 1) / 2, after = size - 1 - before;
  Index channel = place.index[1], channels = b.dim(nn::dimOf(op.getType(), 1));
  Range window{b.max(b.sub(channel, before), 0), b.min(b.add(channel, after + 1), channels)};
  Type type = typeAt(op, place.lanes);
  Value sum = fold(Fold::Add, type, window, 0, [&](ArrayRef<Index> index, int) -> Value {
    Place there{place};
    there.index[1] = index[0];
    Value x = at(op.getInput(), there);
    return arith::MulFOp::create(ops, x, x);
  });
  Value base = b.fma(sum, b.constant(op.getAlpha().convertToDouble() / size, type), b.constant(op.getBias().convertToDouble(), type));
  return arith::DivFOp::create(ops, at(op.getInput(), place), emitPow(b, base, b.constant(op.getBeta().convertToDouble(), type)));
}

bool Evaluator::hoistStatistics(Operation *op, const Place &place) {
  auto known = [&](const Place &row) { return llvm::none_of(row.index, isUnknown); };
  if (auto softmax = dyn_cast<nn::SoftmaxOp>(op)) {
    Place row = rowOf(place, softmax.getAxis(), softmax.getAxis() + 1);
    if (known(row))
      softmaxStatistics(softmax, row);
    return known(row);
  }
  if (isa<nn::LayerNormOp, nn::RMSNormOp>(op)) {
    int first = isa<nn::LayerNormOp>(op) ? cast<nn::LayerNormOp>(op).getAxis() : cast<nn::RMSNormOp>(op).getAxis();
    Place row = rowOf(place, first, place.index.size());
    if (known(row))
      normStatistics(op, row);
    return known(row);
  }
  if (auto norm = dyn_cast<nn::GroupNormOp>(op)) {
    if (isUnknown(place.index[0]) || isUnknown(place.index[1]))
      return false;
    groupStatistics(norm, place.index[0], groupOf(norm, place.index[1]));
    return true;
  }
  return false;
}

} // namespace tenon::cpu
