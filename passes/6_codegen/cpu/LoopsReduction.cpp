// Folds over axes: reduce, arg_reduce.
#include "passes/6_codegen/cpu/LoopsEvaluator.h"
#include "passes/6_codegen/cpu/VectorMath.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;

namespace tenon::cpu {

Value Evaluator::identity(Fold kind, Type type) {
  Type element = getElementTypeOrSelf(type);
  auto real = [&](double v) { return b.constant(v, type); };
  auto integer = [&](APInt v) {
    Attribute attr = IntegerAttr::get(element, v);
    if (auto vector = dyn_cast<VectorType>(type))
      attr = DenseElementsAttr::get(vector, attr);
    return arith::ConstantOp::create(b.ops(), cast<TypedAttr>(attr)).getResult();
  };
  unsigned bits = element.getIntOrFloatBitWidth();
  bool isFloat = isa<FloatType>(element);
  switch (kind) {
  case Fold::Add:
    return isFloat ? real(0) : integer(APInt::getZero(bits));
  case Fold::Multiply:
    return isFloat ? real(1) : integer(APInt(bits, 1));
  case Fold::Max:
  case Fold::MaxNumber:
    return isFloat ? real(-std::numeric_limits<double>::infinity()) : integer(APInt::getSignedMinValue(bits));
  case Fold::Min:
    return isFloat ? real(std::numeric_limits<double>::infinity()) : integer(APInt::getSignedMaxValue(bits));
  case Fold::MaxUnsigned:
    return integer(APInt::getZero(bits));
  case Fold::MinUnsigned:
    return integer(APInt::getMaxValue(bits));
  }
  return {};
}

Value Evaluator::combine(Fold kind, Value x, Value y) {
  auto &ops = b.ops();
  bool isFloat = isa<FloatType>(getElementTypeOrSelf(x.getType()));
  switch (kind) {
  case Fold::Add:
    return isFloat ? Value(arith::AddFOp::create(ops, x, y)) : Value(arith::AddIOp::create(ops, x, y));
  case Fold::Multiply:
    return isFloat ? Value(arith::MulFOp::create(ops, x, y)) : Value(arith::MulIOp::create(ops, x, y));
  case Fold::Max:
    return isFloat ? Value(arith::MaximumFOp::create(ops, x, y)) : Value(arith::MaxSIOp::create(ops, x, y));
  case Fold::MaxNumber:
    if (isFloat) // one instruction: NaN need not be told apart here
      return arith::MaxNumFOp::create(ops, x, y, arith::FastMathFlags::nnan | arith::FastMathFlags::nsz);
    return arith::MaxSIOp::create(ops, x, y);
  case Fold::Min:
    return isFloat ? Value(arith::MinimumFOp::create(ops, x, y)) : Value(arith::MinSIOp::create(ops, x, y));
  case Fold::MaxUnsigned:
    return arith::MaxUIOp::create(ops, x, y);
  case Fold::MinUnsigned:
    return arith::MinUIOp::create(ops, x, y);
  }
  return {};
}

KernelBuilder::Values Evaluator::nest(ArrayRef<Range> ranges, ValueRange init,
                                      function_ref<KernelBuilder::Values(ArrayRef<Index>, ValueRange)> body) {
  SmallVector<Index> index;
  std::function<KernelBuilder::Values(unsigned, ValueRange)> level = [&](unsigned depth, ValueRange carried) {
    if (depth == ranges.size())
      return body(index, carried);
    return b.loop(ranges[depth].low, ranges[depth].high, 1, carried, [&](Index i, ValueRange inner) {
      Scope scope(*this);
      index.push_back(i);
      auto result = level(depth + 1, inner);
      index.pop_back();
      return result;
    });
  };
  return level(0, init);
}

/// All lanes combined, by halves.
static Value acrossLanes(Evaluator &e, KernelBuilder &b, Fold kind, Value vector) {
  if (kind == Fold::Add)
    return b.reduceAdd(vector);
  int64_t lanes = cast<VectorType>(vector.getType()).getNumElements();
  while (lanes > 1) {
    lanes /= 2;
    auto low = llvm::to_vector(llvm::seq<int64_t>(0, lanes)), high = llvm::to_vector(llvm::seq<int64_t>(lanes, 2 * lanes));
    vector = e.combine(kind, vector::ShuffleOp::create(b.ops(), vector, vector, low), vector::ShuffleOp::create(b.ops(), vector, vector, high));
  }
  return vector::ExtractOp::create(b.ops(), vector, int64_t(0));
}

Value Evaluator::fold(Fold kind, Type type, ArrayRef<Range> ranges, int lanes, function_ref<Value(ArrayRef<Index>, int)> element) {
  return accumulate(kind, type, ranges, lanes,
                    [&](Value acc, ArrayRef<Index> index, int width) { return combine(kind, acc, element(index, width)); });
}

Value Evaluator::accumulate(Fold kind, Type type, ArrayRef<Range> ranges, int lanes,
                            function_ref<Value(Value, ArrayRef<Index>, int)> next) {
  if (!lanes || ranges.empty())
    return nest(ranges, identity(kind, type), [&](ArrayRef<Index> index, ValueRange acc) -> KernelBuilder::Values {
      return {next(acc[0], index, 0)};
    })[0];

  // Several accumulators hide the latency of the combination; one more holds the tails.
  constexpr int kAccumulators = 4;
  Range inner = ranges.back();
  Index count = b.sub(inner.high, inner.low);
  int accumulators = kAccumulators;
  while (accumulators > 1 && count.isConstant() && count.get() < accumulators * lanes)
    accumulators /= 2;
  VectorType vector = VectorType::get({lanes}, type);
  KernelBuilder::Values init(accumulators, identity(kind, vector));
  init.push_back(identity(kind, type));
  auto result = nest(ranges.drop_back(), init, [&](ArrayRef<Index> outer, ValueRange carried) {
    SmallVector<Index> index(outer);
    index.push_back(0);
    KernelBuilder::Values acc(carried);
    auto run = [&](Index low, Index high, int step, unsigned first, unsigned n, int width) {
      auto out = b.loop(low, high, step, ValueRange(acc).slice(first, n), [&](Index i, ValueRange in) {
        Scope scope(*this);
        KernelBuilder::Values sums;
        for (unsigned k = 0; k < n; ++k) {
          index.back() = b.add(i, int64_t(k) * width);
          sums.push_back(next(in[k], index, width));
        }
        return sums;
      });
      std::copy(out.begin(), out.end(), acc.begin() + first);
    };
    int block = accumulators * lanes;
    Index blocks = b.add(inner.low, b.mul(b.div(count, block), block)), vectors = b.add(inner.low, b.mul(b.div(count, lanes), lanes));
    run(inner.low, blocks, block, 0, accumulators, lanes);
    if (accumulators > 1)
      run(blocks, vectors, lanes, 0, 1, lanes);
    run(vectors, inner.high, 1, accumulators, 1, 0);
    return acc;
  });
  for (int n = accumulators / 2; n; n /= 2)
    for (int k = 0; k < n; ++k)
      result[k] = combine(kind, result[k], result[k + n]);
  return combine(kind, acrossLanes(*this, b, kind, result[0]), result.back());
}

Value Evaluator::foldAxes(Fold kind, Value v, ArrayRef<int64_t> axes, const Place &place,
                          function_ref<Value(Value, const Place &)> map) {
  auto sizes = nn::dimsOf(v.getType());
  Place outside{place};
  for (int64_t axis : axes)
    outside.index[axis] = unknown();
  hoist(v, outside);

  // The innermost loop is over the last axis, in vectors if the lanes are not taken already.
  SmallVector<int64_t> order(axes);
  llvm::sort(order);
  int lanes = 0;
  if (!place.lanes && !order.empty() && lanesAllowed(v, order.back())) {
    auto size = sizes[order.back()].asConstant();
    lanes = preferredLanes();
    if (size && *size < lanes)
      lanes = 0;
  }
  SmallVector<Range> ranges;
  for (int64_t axis : order)
    ranges.push_back({0, b.dim(sizes[axis])});
  auto element = [&](ArrayRef<Index> index, int width) {
    Place there{place};
    for (auto [i, axis] : llvm::zip(index, order))
      there.index[axis] = i;
    if (width)
      there.lanes = width, there.axis = order.back();
    Value x = at(v, there);
    return map ? map(x, there) : x;
  };
  Type type = typeAt(v, place.lanes);
  bool isRead = isa<BlockArgument>(kernel::viewOf(v).source);
  return place.lanes && isRead && !ranges.empty() ? foldInterleaved(kind, type, ranges, element) : fold(kind, type, ranges, lanes, element);
}

Value Evaluator::foldInterleaved(Fold kind, Type type, ArrayRef<Range> ranges, function_ref<Value(ArrayRef<Index>, int)> element) {
  constexpr int64_t kAccumulators = 2;
  Range inner = ranges.back();
  KernelBuilder::Values init(kAccumulators, identity(kind, type));
  auto sums = nest(ranges.drop_back(), init, [&](ArrayRef<Index> outer, ValueRange carried) {
    SmallVector<Index> index(outer);
    index.push_back(0);
    auto run = [&](Index low, Index high, int64_t width, ValueRange in) {
      return b.loop(low, high, width, in, [&](Index i, ValueRange acc) {
        Scope scope(*this);
        KernelBuilder::Values next(acc);
        for (int64_t k = 0; k < width; ++k) {
          index.back() = b.add(i, k);
          next[k] = combine(kind, next[k], element(index, 0));
        }
        return next;
      });
    };
    Index whole = b.mul(b.div(inner.high, kAccumulators), kAccumulators);
    KernelBuilder::Values main = run(inner.low, whole, kAccumulators, carried);
    return run(whole, inner.high, 1, main);
  });
  for (int64_t n = kAccumulators / 2; n; n /= 2)
    for (int64_t k = 0; k < n; ++k)
      sums[k] = combine(kind, sums[k], sums[k + n]);
  return sums[0];
}

/// Booleans are 0 and 1, not 0 and -1.
static bool isUnsigned(Value v) {
  Type element = cast<ShapedType>(v.getType()).getElementType();
  return element.isUnsignedInteger() || element.isInteger(1);
}

Value Evaluator::reduceAt(nn::ReduceOp op, const Place &place) {
  if (place.lanes && operandAxis(op, 0, place.axis) == kScattered)
    return laneByLane(op, place);
  Value input = op.getInput();
  auto sizes = nn::dimsOf(input.getType());
  Place there;
  if (place.lanes)
    there.lanes = place.lanes, there.axis = operandAxis(op, 0, place.axis);
  Index count = 1;
  unsigned kept = 0;
  for (unsigned axis = 0; axis < sizes.size(); ++axis) {
    bool reduced = llvm::is_contained(op.getAxes(), axis);
    there.index.push_back(reduced ? Index(0) : place.index[kept]);
    kept += !reduced || op.getKeepDims();
    if (reduced)
      count = b.mul(count, b.dim(sizes[axis]));
  }
  auto &ops = b.ops();
  auto sum = [&](function_ref<Value(Value, const Place &)> map = {}) { return foldAxes(Fold::Add, input, op.getAxes(), there, map); };
  auto times = [&](Value x, Value y) { return combine(Fold::Multiply, x, y); };
  auto square = [&](Value x, const Place &) { return times(x, x); };
  auto magnitude = [&](Value x, const Place &) -> Value {
    if (isa<FloatType>(getElementTypeOrSelf(x.getType())))
      return math::AbsFOp::create(ops, x);
    return arith::MaxSIOp::create(ops, x, arith::SubIOp::create(ops, identity(Fold::Add, x.getType()), x));
  };
  switch (op.getKind()) {
  case nn::ReduceKind::Sum:
    return sum();
  case nn::ReduceKind::Mean: {
    Value total = sum();
    Type element = getElementTypeOrSelf(total.getType());
    if (isa<FloatType>(element))
      return arith::DivFOp::create(ops, total, spread(floatOf(count, element), place.lanes));
    Value divisor = spread(b.convert(b.value(count), element), place.lanes);
    return isUnsigned(input) ? Value(arith::DivUIOp::create(ops, total, divisor)) : Value(arith::DivSIOp::create(ops, total, divisor));
  }
  case nn::ReduceKind::Max:
    return foldAxes(isUnsigned(input) ? Fold::MaxUnsigned : Fold::Max, input, op.getAxes(), there);
  case nn::ReduceKind::Min:
    return foldAxes(isUnsigned(input) ? Fold::MinUnsigned : Fold::Min, input, op.getAxes(), there);
  case nn::ReduceKind::Prod:
    return foldAxes(Fold::Multiply, input, op.getAxes(), there);
  case nn::ReduceKind::SumSquare:
    return sum(square);
  case nn::ReduceKind::L1:
    return sum(magnitude);
  case nn::ReduceKind::L2:
    return math::SqrtOp::create(ops, sum(square));
  case nn::ReduceKind::LogSum:
    return emitLog(b, sum());
  case nn::ReduceKind::LogSumExp: {
    Value largest = foldAxes(Fold::Max, input, op.getAxes(), there);
    // exp(x - max) is NaN where every x is -inf (or the largest +inf): an infinite maximum is not subtracted.
    Value limit = b.constant(std::numeric_limits<double>::infinity(), largest.getType());
    Value finite = arith::CmpFOp::create(ops, arith::CmpFPredicate::UNE, math::AbsFOp::create(ops, largest), limit);
    Value shift = arith::SelectOp::create(ops, finite, largest, b.constant(0, largest.getType()));
    Value total = sum([&](Value x, const Place &at) { return emitExp(b, arith::SubFOp::create(ops, x, spread(shift, at.lanes))); });
    return arith::AddFOp::create(ops, emitLog(b, total), shift);
  }
  }
  return {};
}

Value Evaluator::argReduceAt(nn::ArgReduceOp op, const Place &place) {
  int axis = op.getAxis();
  if (place.lanes && operandAxis(op, 0, place.axis) == kScattered)
    return laneByLane(op, place);
  Place there{place};
  if (!op.getKeepDims())
    there.index.insert(there.index.begin() + axis, Index(0));
  if (place.lanes)
    there.axis = operandAxis(op, 0, place.axis);
  auto &ops = b.ops();
  auto element = [&](Index i) {
    there.index[axis] = i;
    return at(op.getInput(), there);
  };
  there.index[axis] = unknown();
  hoist(op.getInput(), there);
  Value first = element(0), zero = spread(b.value(0), place.lanes);
  Range rest{1, b.dim(nn::dimOf(op.getInput().getType(), axis))};
  bool isFloat = isa<FloatType>(getElementTypeOrSelf(first.getType())), isBelow = op.getMinimum(), orEqual = op.getSelectLast();
  auto better = [&](Value x, Value best) -> Value {
    if (isFloat) {
      using P = arith::CmpFPredicate;
      return arith::CmpFOp::create(ops, isBelow ? (orEqual ? P::OLE : P::OLT) : (orEqual ? P::OGE : P::OGT), x, best);
    }
    using P = arith::CmpIPredicate;
    P order = isUnsigned(op.getInput()) ? (isBelow ? (orEqual ? P::ule : P::ult) : (orEqual ? P::uge : P::ugt))
                                        : (isBelow ? (orEqual ? P::sle : P::slt) : (orEqual ? P::sge : P::sgt));
    return arith::CmpIOp::create(ops, order, x, best);
  };
  return nest(rest, ValueRange{first, zero}, [&](ArrayRef<Index> index, ValueRange best) -> KernelBuilder::Values {
    Value x = element(index[0]), wins = better(x, best[0]), here = spread(b.value(index[0]), place.lanes);
    return {arith::SelectOp::create(ops, wins, x, best[0]), arith::SelectOp::create(ops, wins, here, best[1])};
  })[1];
}

} // namespace tenon::cpu
