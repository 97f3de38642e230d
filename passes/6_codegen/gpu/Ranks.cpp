// Top-k by ranks: an element's place in the result is the number of elements of its row that come before it. That compares all with all, which a GPU
// does at once, where a heap is one thread's work. A block ranks the 32 elements that its warps have in common, each against its share of the row.
#include "passes/6_codegen/gpu/Ranks.h"
#include "passes/6_codegen/cpu/Elementwise.h"
#include "passes/6_codegen/cpu/RowPlace.h"
#include "passes/6_codegen/cpu/TopK.h"
#include "passes/6_codegen/gpu/Warp.h"

namespace tenon::gpu {
using namespace mlir;

namespace {
constexpr int64_t kWarp = 32, kWarps = 8, kCountBytes = 4;
constexpr int64_t kLongestRow = 1 << 15, kMostElements = 1 << 17; // of all rows: of more a thread for each row is fast enough

class RankEmitter {
public:
  RankEmitter(KernelBuilder &b, nn::TopKOp op, kernel::FuncOp func)
      : b(b), w(b), ops(b.ops()), op(op), row(b, op, func), size(*nn::dimOf(op.getInput().getType(), op.getAxis()).asConstant()) {}

  void emit() {
    Value thread = w.thread(), lane = w.rem(thread, kWarp), warp = w.div(thread, kWarp), counts = w.add(w.shared(), w.mul(lane, kCountBytes));
    int64_t blocks = llvm::divideCeil(size, kWarp);
    row.moveTo(b.div(b.task(), blocks));
    Index own = b.add(b.mul(b.rem(b.task(), blocks), kWarp), w.wide(lane));
    Index position = b.min(own, size - 1);
    Value element = row.element(position), count = before(element, position, warp);
    w.store(w.add(counts, w.mul(warp, kWarp * kCountBytes)), b.splat(count, 1));
    w.barrier();
    b.ifThen(w.below(thread, w.i32(kWarp)), [&] {
      Value rank = w.i32(0);
      for (int64_t i = 0; i < kWarps; ++i)
        rank = w.add(rank, w.loadElement(w.add(counts, i * kWarp * kCountBytes), ops.getI32Type()));
      Value isWanted = b.lessThan(w.wide(rank), b.dim(op.getK().dims().front()));
      b.ifThen(arith::AndIOp::create(ops, b.lessThan(own, size), isWanted), [&] { row.put(w.wide(rank), element, b.value(position)); });
    });
  }

private:
  /// How many of the warp's share of the row come before an element.
  Value before(Value element, Index position, Value warp) {
    constexpr int64_t kAtOnce = 4;
    int64_t share = llvm::alignTo(llvm::divideCeil(size, kWarps), kAtOnce);
    Index first = b.mul(w.wide(warp), share), end = b.min(b.add(first, share), size);
    Index whole = b.add(first, b.mul(b.div(b.max(b.sub(end, first), 0), kAtOnce), kAtOnce));
    auto countOne = [&](Value count, Index other) {
      return arith::AddIOp::create(ops, count, arith::ExtUIOp::create(ops, ops.getI32Type(), comesBefore(row.element(other), other, element, position)))
          .getResult();
    };
    KernelBuilder::Values count = b.loop(first, whole, kAtOnce, KernelBuilder::Values{w.i32(0)}, [&](Index i, ValueRange carried) {
      Value next = carried[0];
      for (int64_t k = 0; k < kAtOnce; ++k)
        next = countOne(next, b.add(i, k));
      return KernelBuilder::Values{next};
    });
    return b.loop(whole, end, 1, count, [&](Index i, ValueRange carried) { return KernelBuilder::Values{countOne(carried[0], i)}; })[0];
  }

  /// An order of all elements, equal ones by their position; NaN behind all others.
  Value comesBefore(Value x, Index xAt, Value y, Index yAt) {
    Value better, worse;
    if (isa<FloatType>(x.getType())) {
      using P = arith::CmpFPredicate;
      auto precedes = [&](Value a, Value c) { // also where only c is NaN
        Value isNumber = arith::CmpFOp::create(ops, P::ORD, a, a);
        return arith::AndIOp::create(ops, isNumber, arith::CmpFOp::create(ops, op.getSmallest() ? P::ULT : P::UGT, a, c)).getResult();
      };
      better = precedes(x, y);
      worse = precedes(y, x);
    } else {
      using P = arith::CmpIPredicate;
      bool isUnsigned = row.isUnsigned();
      P predicate = op.getSmallest() ? (isUnsigned ? P::ult : P::slt) : (isUnsigned ? P::ugt : P::sgt);
      better = arith::CmpIOp::create(ops, predicate, x, y);
      worse = arith::CmpIOp::create(ops, predicate, y, x);
    }
    Value isEarlier = arith::AndIOp::create(ops, b.lessThan(xAt, yAt), arith::XOrIOp::create(ops, worse, b.integer(1, ops.getI1Type())));
    return arith::OrIOp::create(ops, better, isEarlier);
  }

  KernelBuilder &b;
  Warp w;
  ImplicitLocOpBuilder &ops;
  nn::TopKOp op;
  cpu::TopKRow row;
  int64_t size;
};

class RanksFamily final : public KernelFamily {
public:
  StringRef name() const override { return "gpu.ranks"; }

  bool matches(kernel::FuncOp func, const Target &target) const override {
    if (!cpu::topKFamily().matches(func, target))
      return false;
    nn::TopKOp op = cpu::singleOp<nn::TopKOp>(func);
    auto size = nn::dimOf(op.getInput().getType(), op.getAxis()).asConstant(), elements = nn::numElements(op.getInput().getType()).asConstant();
    return size && elements && *size > 0 && *size <= kLongestRow && *elements <= kMostElements;
  }

  KernelPlan plan(kernel::FuncOp func, kernel::ScheduleAttr, const Target &) const override {
    nn::TopKOp op = cpu::singleOp<nn::TopKOp>(func);
    int64_t size = *nn::dimOf(op.getInput().getType(), op.getAxis()).asConstant(),
            rows = *nn::numElements(op.getInput().getType()).asConstant() / size;
    KernelPlan plan;
    plan.tasks = nn::Dim::constant(func.getContext(), rows * llvm::divideCeil(size, kWarp));
    plan.overwrites.assign(func.getNumResults(), -1);
    plan.block = {int(kWarps * kWarp), 1, int(kWarps * kWarp * kCountBytes)};
    return plan;
  }

  LogicalResult emit(kernel::FuncOp func, kernel::ScheduleAttr, KernelBuilder &b) const override {
    RankEmitter(b, cpu::singleOp<nn::TopKOp>(func), func).emit();
    return success();
  }

  nn::Dim operations(kernel::FuncOp func) const override { return cpu::topKFamily().operations(func); }
};
} // namespace

const KernelFamily &ranksFamily() {
  static const RanksFamily family;
  return family;
}

} // namespace tenon::gpu
