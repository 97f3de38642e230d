#include "passes/6_codegen/cpu/TopK.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "passes/6_codegen/cpu/Elementwise.h"
#include "passes/6_codegen/cpu/LoopsNest.h"
#include "passes/6_codegen/cpu/Registers.h"
#include "passes/6_codegen/cpu/RowPlace.h"

namespace tenon::cpu {
using namespace mlir;

namespace {
/// One row of the input: the heap's root is the worst of the best so far, so that most elements cost one comparison. At the end
/// the root goes behind the others, again and again, which sorts them (Williams 1964).
class TopKEmitter {
public:
  TopKEmitter(KernelBuilder &b, nn::TopKOp op, kernel::FuncOp func)
      : b(b), r{b}, op(op), row(b, op, func), count(b.dim(op.getK().dims().front())) {}

  void emit() {
    auto dims = nn::dimsOf(op.getInput().getType());
    Index rows = 1;
    for (auto [i, dim] : llvm::enumerate(dims))
      rows = int(i) == op.getAxis() ? rows : b.mul(rows, b.dim(dim));
    auto [first, end] = b.share(rows, b.tasks(), b.task());
    b.loop(first, b.select(b.lessThan(0, count), end, first), 1, [&](Index number) {
      row.moveTo(number);
      select(b.dim(dims[op.getAxis()]));
    });
  }

private:
  struct Entry {
    Value value, position;
  };

  /// Either result is enough for a heap: the elements of positions are in the input, and values need no order among equals.
  Entry read(Index slot) {
    if (!row.hasPositions())
      return {row.valueAt(slot), b.value(0)};
    Value position = row.positionAt(slot);
    return {row.hasValues() ? row.valueAt(slot) : row.element(Index(position)), position};
  }
  void write(Index slot, Entry entry) { row.put(slot, entry.value, entry.position); }

  /// x comes before y in the result.
  Value isBetter(Entry x, Entry y) {
    Value better, same;
    if (isa<FloatType>(x.value.getType())) {
      better = r.cmp(op.getSmallest() ? arith::CmpFPredicate::OLT : arith::CmpFPredicate::OGT, x.value, y.value);
      same = r.cmp(arith::CmpFPredicate::OEQ, x.value, y.value);
    } else {
      bool isUnsigned = row.isUnsigned();
      using P = arith::CmpIPredicate;
      better = r.cmp(op.getSmallest() ? (isUnsigned ? P::ult : P::slt) : (isUnsigned ? P::ugt : P::sgt), x.value, y.value);
      same = r.cmp(P::eq, x.value, y.value);
    }
    if (!row.hasPositions()) // equal values are alike
      return better;
    return r.ori(better, r.andi(same, r.cmp(arith::CmpIPredicate::slt, x.position, y.position)));
  }

  /// Puts `entry` into the heap of `size` slots whose root `slot` is free.
  void sink(Index slot, Index size, Entry entry) {
    auto &ops = b.ops();
    Value yes = arith::ConstantOp::create(ops, ops.getBoolAttr(true)), no = arith::ConstantOp::create(ops, ops.getBoolAttr(false));
    Type types[] = {ops.getI64Type(), ops.getI1Type()};
    auto loop = scf::WhileOp::create(
        ops, types, ValueRange{b.value(slot), yes},
        [&](OpBuilder &, Location, ValueRange state) {
          Value hasChild = b.lessThan(b.add(b.mul(Index(state[0]), 2), 1), size);
          scf::ConditionOp::create(ops, r.andi(state[1], hasChild), state);
        },
        [&](OpBuilder &, Location, ValueRange state) {
          Index left = b.add(b.mul(Index(state[0]), 2), 1), right = b.min(b.add(left, 1), b.sub(size, 1));
          Entry l = read(left), other = read(right);
          Value useRight = isBetter(l, other); // the worse of both
          Entry child{r.select(useRight, other.value, l.value), r.select(useRight, other.position, l.position)};
          Index where = b.select(useRight, right, left);
          Value goesOn = isBetter(entry, child);
          b.ifThen(goesOn, [&] { write(Index(state[0]), child); });
          scf::YieldOp::create(ops, ValueRange{r.select(goesOn, b.value(where), state[0]), r.select(goesOn, yes, no)});
        });
    write(Index(loop.getResult(0)), entry);
  }

  void select(Index size) {
    auto entryAt = [&](Index i) { return Entry{row.element(i), b.value(i)}; };
    b.loop(0, count, 1, [&](Index i) { write(i, entryAt(i)); });
    Index half = b.div(count, 2);
    b.loop(0, half, 1, [&](Index i) {
      Index slot = b.sub(b.sub(half, 1), i);
      sink(slot, count, read(slot));
    });
    b.loop(count, size, 1, [&](Index i) {
      Entry next = entryAt(i);
      b.ifThen(isBetter(next, read(0)), [&] { sink(0, count, next); });
    });
    b.loop(0, b.sub(count, 1), 1, [&](Index i) {
      Index last = b.sub(b.sub(count, 1), i);
      Entry worst = read(0), moved = read(last);
      write(last, worst);
      sink(0, last, moved);
    });
  }

  KernelBuilder &b;
  Registers r;
  nn::TopKOp op;
  TopKRow row;
  Index count;
};

class TopKFamily final : public KernelFamily {
public:
  StringRef name() const override { return "top_k"; }

  bool matches(kernel::FuncOp func, const Target &) const override {
    nn::TopKOp op = singleOp<nn::TopKOp>(func);
    if (!op)
      return false;
    Type element = cast<ShapedType>(op.getInput().getType()).getElementType();
    return computeType(element) == signless(element) && !element.isInteger(1);
  }

  void schedules(kernel::FuncOp func, const Target &target, SmallVectorImpl<kernel::ScheduleAttr> &out) const override {
    out.push_back(kernel::ScheduleAttr::get(func.getContext(), name(), {{"tasks", int64_t(target.cores) * 2}}));
  }

  KernelPlan plan(kernel::FuncOp func, kernel::ScheduleAttr schedule, const Target &) const override {
    KernelPlan plan;
    plan.tasks = tasksFor(operations(func), schedule.get("tasks", 1));
    plan.overwrites.assign(func.getNumResults(), -1);
    return plan;
  }

  LogicalResult emit(kernel::FuncOp func, kernel::ScheduleAttr, KernelBuilder &b) const override {
    TopKEmitter(b, singleOp<nn::TopKOp>(func), func).emit();
    return success();
  }

  nn::Dim operations(kernel::FuncOp func) const override {
    constexpr int64_t kPerElement = 4;
    return nn::numElements(singleOp<nn::TopKOp>(func).getInput().getType()) * kPerElement;
  }
};
} // namespace

const KernelFamily &topKFamily() {
  static const TopKFamily family;
  return family;
}

} // namespace tenon::cpu
