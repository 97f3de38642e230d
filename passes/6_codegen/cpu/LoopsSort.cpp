// A stable merge sort of positions, bottom up.
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "passes/6_codegen/cpu/LoopsSequential.h"

using namespace mlir;

namespace tenon::cpu {

namespace {
class Sorter {
public:
  Sorter(KernelBuilder &b, Evaluator &evaluator, nn::SortIndicesOp op)
      : b(b), evaluator(evaluator), op(op), order(b.result(0)), scratch(b.result(1)), sizes(b.sizesOf(op.getInput())) {}

  void emit() {
    auto [low, high] = b.share(sizes[0], b.tasks(), b.task());
    b.loop(low, high, 1, [&](Index part) {
      Evaluator::Scope scope(evaluator);
      batch = part;
      b.loop(0, sizes[1], 1, [&](Index i) { b.store(b.value(i), order, b.at(order, {batch, i})); });
      // Runs of 1, 2, 4 ... sorted positions become runs of twice the length, until there is one.
      constexpr int64_t kMostPasses = 62;
      b.loop(0, kMostPasses, 1, [&](Index pass) {
        Value run = arith::ShLIOp::create(b.ops(), b.value(1), b.value(pass));
        b.ifThen(b.lessThan(Index(run), sizes[1]), [&] { mergeRuns(Index(run)); });
      });
    });
  }

private:
  void mergeRuns(Index run) {
    Index both = b.mul(run, 2), pairs = b.div(b.add(sizes[1], b.sub(both, 1)), both);
    b.loop(0, pairs, 1, [&](Index pair) {
      Index begin = b.mul(pair, both), middle = b.min(b.add(begin, run), sizes[1]), end = b.min(b.add(begin, both), sizes[1]);
      merge(begin, middle, end);
    });
    b.loop(0, sizes[1], 1, [&](Index i) { b.store(b.load(scratch, b.at(scratch, {batch, i})), order, b.at(order, {batch, i})); });
  }

  void merge(Index begin, Index middle, Index end) {
    b.loop(begin, end, 1, {b.value(begin), b.value(middle)}, [&](Index out, ValueRange next) {
      Evaluator::Scope scope(evaluator);
      Index left(next[0]), right(next[1]);
      // Both are read before it is known whether there is one: clamped, that is memory of the sort.
      Index last = b.sub(sizes[1], 1);
      Value leftPosition = positionAt(b.min(left, last)), rightPosition = positionAt(b.min(right, last));
      Value rightFirst = arith::AndIOp::create(b.ops(), b.lessThan(right, end), comesBefore(Index(rightPosition), Index(leftPosition)));
      Value leftIsEmpty = b.lessThan(Index(b.sub(middle, 1)), left);
      Value takeRight = arith::OrIOp::create(b.ops(), leftIsEmpty, rightFirst);
      b.store(b.value(b.select(takeRight, Index(rightPosition), Index(leftPosition))), scratch, b.at(scratch, {batch, out}));
      return KernelBuilder::Values{b.value(b.select(takeRight, left, b.add(left, 1))), b.value(b.select(takeRight, b.add(right, 1), right))};
    });
  }

  Value positionAt(Index i) { return b.load(order, b.at(order, {batch, i})); }

  Value elementAt(Index row, Index column) { return evaluator.at(op.getInput(), Place{{batch, row, column}}); }

  /// Whether the vector at position x comes before that at y and is not equal to it.
  Value comesBefore(Index x, Index y) {
    if (sizes[2].is(1))
      return isLess(elementAt(x, 0), elementAt(y, 0));
    // The first element that differs decides: carries whether one has, and which way.
    Value no = b.integer(0, b.ops().getI1Type());
    return b.loop(0, sizes[2], 1, {no, no}, [&](Index column, ValueRange carried) {
      Evaluator::Scope scope(evaluator);
      Value decided = carried[0], before = carried[1], left = elementAt(x, column), right = elementAt(y, column);
      Value less = isLess(left, right), greater = isLess(right, left);
      Value differs = arith::OrIOp::create(b.ops(), less, greater);
      return KernelBuilder::Values{arith::OrIOp::create(b.ops(), decided, differs), arith::SelectOp::create(b.ops(), decided, before, less)};
    })[1];
  }

  Value isLess(Value x, Value y) {
    if (op.getDescending())
      std::swap(x, y);
    auto &ops = b.ops();
    if (!isa<FloatType>(x.getType())) {
      Type element = cast<ShapedType>(op.getInput().getType()).getElementType();
      bool isUnsigned = element.isUnsignedInteger() || element.isInteger(1);
      return arith::CmpIOp::create(ops, isUnsigned ? arith::CmpIPredicate::ult : arith::CmpIPredicate::slt, x, y);
    }
    auto isNan = [&](Value v) -> Value { return arith::CmpFOp::create(ops, arith::CmpFPredicate::UNO, v, v); };
    Value isNumber = arith::XOrIOp::create(ops, isNan(x), b.integer(1, ops.getI1Type()));
    Value nanIsLarger = arith::AndIOp::create(ops, isNan(y), isNumber);
    return arith::OrIOp::create(ops, arith::CmpFOp::create(ops, arith::CmpFPredicate::OLT, x, y), nanIsLarger);
  }

  KernelBuilder &b;
  Evaluator &evaluator;
  nn::SortIndicesOp op;
  Tensor order, scratch;
  SmallVector<Index> sizes;
  Index batch;
};
} // namespace

void emitSort(KernelBuilder &b, Evaluator &evaluator, nn::SortIndicesOp op) {
  Sorter(b, evaluator, op).emit();
}

} // namespace tenon::cpu
