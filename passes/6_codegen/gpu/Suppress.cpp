// Non-maximum suppression. A block takes the boxes of a class in their order, as many at a time as a warp has threads: its warps compare each of
// these with shares of the boxes that have stayed, whose corners lie in shared memory; the first warp then decides among them one after the other.
#include "passes/6_codegen/gpu/Suppress.h"
#include "passes/6_codegen/cpu/Elementwise.h"
#include "passes/6_codegen/cpu/Loops.h"
#include "passes/6_codegen/cpu/LoopsSequential.h"
#include "passes/6_codegen/gpu/Warp.h"

namespace tenon::gpu {
using namespace mlir;
using cpu::Box;

namespace {
constexpr int64_t kWarp = 32, kWarps = 8, kThreads = kWarp * kWarps, kWordBytes = 4;
constexpr int64_t kBoxBytes = 32;    // of corners and area in shared memory, at a multiple of 16
constexpr int64_t kMostBoxes = 1024; // that have stayed and are kept there; later ones are read again

/// In shared memory: whether a warp found an overlap, for each of the boxes that are compared; how many have stayed; their corners.
constexpr int64_t kHitsAt = 0, kCountAt = kHitsAt + kThreads * kWordBytes, kBoxesAt = kCountAt + 16, kSharedBytes = kBoxesAt + kMostBoxes * kBoxBytes;

class SuppressEmitter {
public:
  SuppressEmitter(KernelBuilder &b, nn::SuppressOp op)
      : b(b), w(b), ops(b.ops()), op(op), evaluator(b), keep(b.result(0)), list(b.result(1)), f32(b.ops().getF32Type()) {}

  void emit() {
    thread = w.thread();
    shared = w.shared();
    lane = w.rem(thread, kWarp);
    warp = w.div(thread, kWarp);
    SmallVector<Index> sizes = b.sizesOf(op.getScores());
    image = b.div(b.task(), sizes[1]);
    kind = b.rem(b.task(), sizes[1]);
    count = sizes[2];
    listed = b.sizesOf(op.getOrder())[2];
    limit = evaluator.at(op.getLimit(), Place{});
    iou = evaluator.at(op.getIou(), Place{});
    least = evaluator.at(op.getScore(), Place{});
    // Carries how many boxes have stayed, and the first one that was not looked at. Scores fall: none stays behind one that is too low.
    Index seen = b.loop(0, listed, kWarp, {b.value(0), b.value(0)}, [&](Index first, ValueRange carried) {
      Index kept(carried[0]), end(carried[1]);
      Value goesOn = arith::AndIOp::create(ops, b.equal(end, first), b.lessThan(kept, Index(limit)));
      return b.ifElse(
          goesOn, {ops.getI64Type(), ops.getI64Type()}, [&] { return some(first, kept); }, [&] { return KernelBuilder::Values(carried); });
    })[1];
    b.loop(b.add(seen, w.wide(thread)), listed, kThreads,
           [&](Index i) { b.store(b.integer(0, ops.getI1Type()), keep, b.at(keep, {image, kind, i})); });
  }

private:
  /// One box of each lane: how many have stayed afterwards, and the first box that was not looked at; that is the first of these where none can stay.
  KernelBuilder::Values some(Index first, Index kept) {
    Evaluator::Scope scope(evaluator);
    Index own = b.add(first, w.wide(lane)), at = b.min(own, b.sub(listed, 1));
    Index position = evaluator.wrapped(evaluator.indexAt(op.getOrder(), {image, kind, at}), count);
    Value score = evaluator.at(op.getScores(), Place{{image, kind, position}});
    Value isHigh = arith::AndIOp::create(ops, b.lessThan(own, listed), arith::CmpFOp::create(ops, arith::CmpFPredicate::OGT, score, least));
    Value begins = w.fromLane(arith::ExtUIOp::create(ops, ops.getI32Type(), isHigh), w.i32(0));
    return b.ifElse(
        arith::CmpIOp::create(ops, arith::CmpIPredicate::ne, begins, w.i32(0)), {ops.getI64Type(), ops.getI64Type()},
        [&] {
          Evaluator::Scope inner(evaluator);
          return KernelBuilder::Values{compare(own, position, isHigh, kept), b.value(b.add(first, kWarp))};
        },
        [&] { return KernelBuilder::Values{b.value(kept), b.value(first)}; });
  }

  Value compare(Index own, Index position, Value isHigh, Index kept) {
    Box box = cpu::emitBox(b, evaluator, op, image, position);
    Value hit = compareWithKept(box, kept);
    w.store(w.add(shared, w.add(w.mul(thread, kWordBytes), kHitsAt)), b.splat(arith::ExtUIOp::create(ops, ops.getI32Type(), hit), 1));
    w.barrier();
    b.ifThen(w.below(thread, w.i32(kWarp)), [&] { decide(own, position, box, isHigh, kept); });
    w.barrier();
    return b.value(w.wide(w.loadElement(w.add(shared, kCountAt), ops.getI32Type())));
  }

  /// Whether a lane's box overlaps one of the warp's share of those that have stayed.
  Value compareWithKept(const Box &box, Index kept) {
    auto anyOf = [&](Value hit, const Box &other) { return arith::OrIOp::create(ops, hit, cpu::emitOverlaps(b, box, other, iou)).getResult(); };
    Index near = b.min(kept, kMostBoxes);
    Value hit = b.loop(w.wide(warp), near, kWarps, b.integer(0, ops.getI1Type()), [&](Index i, ValueRange carried) {
      Value address = w.add(shared, w.add(w.mul(w.narrow(i), kBoxBytes), kBoxesAt)), corners = w.loadFloats(address);
      Box other;
      for (int axis = 0; axis < 2; ++axis) {
        other.low[axis] = b.extractLane(corners, axis);
        other.high[axis] = b.extractLane(corners, axis + 2);
      }
      other.area = w.loadElement(w.add(address, 16), f32);
      return KernelBuilder::Values{anyOf(carried[0], other)};
    })[0];
    return b.loop(b.add(w.wide(warp), kMostBoxes), kept, kWarps, hit, [&](Index i, ValueRange carried) {
      Evaluator::Scope inner(evaluator);
      Index position = evaluator.wrapped(b.load(list, b.at(list, {image, kind, i})), count);
      return KernelBuilder::Values{anyOf(carried[0], cpu::emitBox(b, evaluator, op, image, position))};
    })[0];
  }

  /// By the first warp: its boxes one after the other. Those that stay are added to the list.
  void decide(Index own, Index position, const Box &box, Value isHigh, Index kept) {
    Value isOpen = isHigh, number = w.narrow(kept), most = w.narrow(b.min(Index(limit), int64_t(INT32_MAX))), place = w.i32(0);
    Value hits = w.i32(0);
    for (int64_t i = 0; i < kWarps; ++i)
      hits = arith::OrIOp::create(ops, hits,
                                  w.loadElement(w.add(shared, w.add(w.mul(lane, kWordBytes), kHitsAt + i * kWarp * kWordBytes)), ops.getI32Type()));
    auto both = [&](Value x, Value y) -> Value { return arith::AndIOp::create(ops, x, y); };
    isOpen = both(isOpen, arith::CmpIOp::create(ops, arith::CmpIPredicate::eq, hits, w.i32(0)));
    auto i32 = [&](Value x) -> Value { return arith::ExtUIOp::create(ops, ops.getI32Type(), x); };
    KernelBuilder::Values decided = b.loop(0, kWarp, 1, {i32(isOpen), number, place}, [&](Index i, ValueRange carried) {
      Value from = w.narrow(i), isLater = w.below(from, lane), isThis = arith::CmpIOp::create(ops, arith::CmpIPredicate::eq, lane, from);
      Box other;
      for (int axis = 0; axis < 2; ++axis) {
        other.low[axis] = w.fromLane(box.low[axis], from);
        other.high[axis] = w.fromLane(box.high[axis], from);
      }
      other.area = w.fromLane(box.area, from);
      Value isCandidate = arith::CmpIOp::create(ops, arith::CmpIPredicate::ne, w.fromLane(carried[0], from), w.i32(0));
      Value stays = both(isCandidate, arith::CmpIOp::create(ops, arith::CmpIPredicate::slt, carried[1], most));
      Value isOver = both(both(stays, isLater), cpu::emitOverlaps(b, box, other, iou));
      Value open = w.select(isThis, i32(stays), w.select(isOver, w.i32(0), carried[0]));
      return KernelBuilder::Values{open, w.add(carried[1], i32(stays)), w.select(isThis, carried[1], carried[2])};
    });
    Value stays = arith::CmpIOp::create(ops, arith::CmpIPredicate::ne, decided[0], w.i32(0));
    b.ifThen(b.lessThan(own, listed), [&] { b.store(stays, keep, b.at(keep, {image, kind, own})); });
    b.ifThen(stays, [&] {
      Index at = w.wide(decided[2]);
      b.store(b.value(position), list, b.at(list, {image, kind, at}));
      b.ifThen(b.lessThan(at, kMostBoxes), [&] {
        Value address = w.add(shared, w.add(w.mul(decided[2], kBoxBytes), kBoxesAt));
        Value corners[] = {box.low[0], box.low[1], box.high[0], box.high[1]};
        w.store(address, vector::FromElementsOp::create(ops, VectorType::get({4}, f32), corners));
        w.store(w.add(address, 16), b.splat(box.area, 1));
      });
    });
    b.ifThen(w.below(lane, w.i32(1)), [&] { w.store(w.add(shared, kCountAt), b.splat(decided[1], 1)); });
  }

  KernelBuilder &b;
  Warp w;
  ImplicitLocOpBuilder &ops;
  nn::SuppressOp op;
  Evaluator evaluator;
  Tensor keep, list;
  Type f32;
  Value thread, shared, lane, warp, limit, iou, least;
  Index image, kind, count, listed;
};

nn::SuppressOp suppressOf(kernel::FuncOp func) {
  auto op = dyn_cast_or_null<nn::SuppressOp>(cpu::sequentialOp(func));
  bool isFull = op && llvm::all_of(ValueRange{op.getBoxes(), op.getScores()},
                                   [](Value v) { return cpu::computeType(cast<ShapedType>(v.getType()).getElementType()).isF32(); });
  return isFull && cpu::canCompute(func) ? op : nn::SuppressOp();
}

class SuppressFamily final : public KernelFamily {
public:
  StringRef name() const override { return "gpu.suppress"; }

  bool matches(kernel::FuncOp func, const Target &) const override { return suppressOf(func) != nullptr; }

  KernelPlan plan(kernel::FuncOp func, kernel::ScheduleAttr, const Target &) const override {
    KernelPlan plan;
    plan.tasks = cpu::sequentialParts(suppressOf(func));
    plan.overwrites.assign(func.getNumResults(), -1);
    plan.block = {int(kThreads), 1, int(kSharedBytes)};
    return plan;
  }

  LogicalResult emit(kernel::FuncOp func, kernel::ScheduleAttr, KernelBuilder &b) const override {
    SuppressEmitter(b, suppressOf(func)).emit();
    return success();
  }

  nn::Dim operations(kernel::FuncOp func) const override { return cpu::loopsFamily().operations(func); }
};
} // namespace

const KernelFamily &suppressFamily() {
  static const SuppressFamily family;
  return family;
}

} // namespace tenon::gpu
