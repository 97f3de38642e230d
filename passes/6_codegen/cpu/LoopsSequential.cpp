#include "passes/6_codegen/cpu/LoopsSequential.h"
#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;

namespace tenon::cpu {

bool isSequential(Operation *op) {
  return isa<nn::CumSumOp, nn::NonZeroOp, nn::SortIndicesOp, nn::SuppressOp>(op);
}

nn::Dim sequentialParts(Operation *op) {
  if (auto sum = dyn_cast<nn::CumSumOp>(op)) {
    SmallVector<nn::Dim> lines = nn::dimsOf(sum.getType());
    lines.erase(lines.begin() + sum.getAxis());
    return nn::product(op->getContext(), lines);
  }
  if (auto sort = dyn_cast<nn::SortIndicesOp>(op))
    return nn::dimOf(sort.getInput().getType(), 0);
  if (auto suppress = dyn_cast<nn::SuppressOp>(op))
    return nn::dimOf(suppress.getScores().getType(), 0) * nn::dimOf(suppress.getScores().getType(), 1);
  return nn::Dim::constant(op->getContext(), 1);
}

void emitSequential(KernelBuilder &b, Evaluator &evaluator, Operation *op, int64_t tasks) {
  if (auto sum = dyn_cast<nn::CumSumOp>(op))
    emitCumSum(b, evaluator, sum, tasks);
  else if (auto nonZero = dyn_cast<nn::NonZeroOp>(op))
    emitNonZero(b, evaluator, nonZero);
  else if (auto sort = dyn_cast<nn::SortIndicesOp>(op))
    emitSort(b, evaluator, sort);
  else
    emitSuppress(b, evaluator, cast<nn::SuppressOp>(op));
}

Value emitIsNotZero(KernelBuilder &b, Value x) {
  Value zero = isa<FloatType>(x.getType()) ? b.constant(0.0, x.getType()) : b.integer(0, x.getType());
  if (isa<FloatType>(x.getType()))
    return arith::CmpFOp::create(b.ops(), arith::CmpFPredicate::UNE, x, zero); // NaN is not zero
  return arith::CmpIOp::create(b.ops(), arith::CmpIPredicate::ne, x, zero);
}

void emitNonZero(KernelBuilder &b, Evaluator &evaluator, nn::NonZeroOp op) {
  Tensor result = b.result(0);
  SmallVector<Index> sizes = b.sizesOf(op.getInput());
  Index count = b.dim(nn::Dim(op.getCount()));
  Place place;
  place.index.assign(sizes.size(), Index(0));

  // Carries how many have been found. Whoever counted saw the same elements; memory behind `count` is out of reach all the same.
  std::function<Value(size_t, Value)> walk = [&](size_t axis, Value found) -> Value {
    if (axis < sizes.size())
      return b.loop(0, sizes[axis], 1, found, [&](Index i, ValueRange carried) {
        Evaluator::Scope scope(evaluator);
        place.index[axis] = i;
        return KernelBuilder::Values{walk(axis + 1, carried[0])};
      })[0];
    Value hit = arith::AndIOp::create(b.ops(), emitIsNotZero(b, evaluator.at(op.getInput(), place)), b.lessThan(Index(found), count));
    b.ifThen(hit, [&] {
      for (auto [a, coordinate] : llvm::enumerate(place.index))
        b.store(b.value(coordinate), result, b.at(result, {Index(int64_t(a)), Index(found)}));
    });
    return b.value(b.select(hit, b.add(Index(found), 1), Index(found)));
  };
  auto all = [&] { walk(0, b.value(0)); };
  b.tasks().is(1) ? all() : b.ifThen(b.equal(b.task(), 0), all);
}

Box emitBox(KernelBuilder &b, Evaluator &evaluator, nn::SuppressOp op, Index image, Index position) {
  auto coordinate = [&](int64_t k) { return evaluator.at(op.getBoxes(), Place{{image, position, Index(k)}}); };
  auto &ops = b.ops();
  Box box;
  for (int axis = 0; axis < 2; ++axis) {
    Value first = coordinate(axis), second = coordinate(axis + 2);
    if (op.getCenters()) {
      Value half = arith::MulFOp::create(ops, second, b.constant(0.5, second.getType()));
      box.low[axis] = arith::SubFOp::create(ops, first, half);
      box.high[axis] = arith::AddFOp::create(ops, first, half);
    } else { // any two opposite corners
      box.low[axis] = arith::MinNumFOp::create(ops, first, second);
      box.high[axis] = arith::MaxNumFOp::create(ops, first, second);
    }
  }
  box.area = arith::MulFOp::create(ops, arith::SubFOp::create(ops, box.high[0], box.low[0]), arith::SubFOp::create(ops, box.high[1], box.low[1]));
  return box;
}

Value emitOverlaps(KernelBuilder &b, const Box &x, const Box &y, Value limit) {
  auto &ops = b.ops();
  Value zero = b.constant(0.0, x.area.getType()), sides[2];
  for (int axis = 0; axis < 2; ++axis) {
    Value side = arith::SubFOp::create(ops, arith::MinNumFOp::create(ops, x.high[axis], y.high[axis]),
                                       arith::MaxNumFOp::create(ops, x.low[axis], y.low[axis]));
    sides[axis] = arith::MaxNumFOp::create(ops, side, zero);
  }
  Value shared = arith::MulFOp::create(ops, sides[0], sides[1]);
  Value whole = arith::SubFOp::create(ops, arith::AddFOp::create(ops, x.area, y.area), shared);
  auto above = [&](Value a, Value c) -> Value { return arith::CmpFOp::create(ops, arith::CmpFPredicate::OGT, a, c); };
  Value solid = arith::AndIOp::create(ops, above(shared, zero), above(whole, zero));
  return arith::AndIOp::create(ops, solid, above(arith::DivFOp::create(ops, shared, whole), limit));
}

void emitSuppress(KernelBuilder &b, Evaluator &evaluator, nn::SuppressOp op) {
  Tensor keep = b.result(0), list = b.result(1);
  SmallVector<Index> sizes = b.sizesOf(op.getScores());
  Index classes = sizes[1], count = sizes[2], listed = b.sizesOf(op.getOrder())[2];
  Value limit = evaluator.at(op.getLimit(), Place{}), iou = evaluator.at(op.getIou(), Place{}), least = evaluator.at(op.getScore(), Place{});
  auto [low, high] = b.share(b.mul(sizes[0], classes), b.tasks(), b.task());
  b.loop(low, high, 1, [&](Index part) {
    Index image = b.div(part, classes), kind = b.rem(part, classes);
    b.loop(0, listed, 1, b.value(0), [&](Index i, ValueRange carried) {
      Evaluator::Scope scope(evaluator);
      Value kept = carried[0];
      Index position = evaluator.wrapped(evaluator.indexAt(op.getOrder(), {image, kind, i}), count);
      Value score = evaluator.at(op.getScores(), Place{{image, kind, position}});
      Value wanted = arith::AndIOp::create(b.ops(), arith::CmpFOp::create(b.ops(), arith::CmpFPredicate::OGT, score, least),
                                           b.lessThan(Index(kept), Index(limit)));
      // No comparison once the class is full or the scores are too low.
      Index compared = b.select(wanted, Index(kept), Index(0));
      Box box = emitBox(b, evaluator, op, image, position);
      Value stays = b.loop(0, compared, 1, wanted, [&](Index j, ValueRange so) {
        Evaluator::Scope inner(evaluator);
        Index other = evaluator.wrapped(b.load(list, b.at(list, {image, kind, j})), count);
        Value hit = emitOverlaps(b, box, emitBox(b, evaluator, op, image, other), iou);
        Value free = arith::XOrIOp::create(b.ops(), hit, b.integer(1, hit.getType()));
        return KernelBuilder::Values{arith::AndIOp::create(b.ops(), so[0], free)};
      })[0];
      b.store(stays, keep, b.at(keep, {image, kind, i}));
      b.ifThen(stays, [&] { b.store(b.value(position), list, b.at(list, {image, kind, Index(kept)})); });
      return KernelBuilder::Values{b.value(b.select(stays, b.add(Index(kept), 1), Index(kept)))};
    });
  });
}

} // namespace tenon::cpu
