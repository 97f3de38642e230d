// Scans. A block walks a line in steps; in each its threads have a few neighbouring elements each, and learn from each other what lies before theirs:
// within a warp by shuffles, between warps through shared memory.
#include "passes/6_codegen/gpu/Scan.h"
#include "passes/6_codegen/cpu/Elementwise.h"
#include "passes/6_codegen/cpu/Loops.h"
#include "passes/6_codegen/cpu/LoopsSequential.h"
#include "passes/6_codegen/cpu/RowPlace.h"
#include "passes/6_codegen/gpu/Warp.h"

namespace tenon::gpu {
using namespace mlir;

namespace {
constexpr int64_t kWarp = 32, kOfThread = 4, kMostThreads = 1024, kLineThreads = 256, kSlotBytes = 8; // slot: a warp's total in shared memory

/// Sizes of a kernel's one scan.
struct ScanProblem {
  Operation *op = nullptr;
  nn::Dim lines, size; // size: elements of a line
  int64_t threads = kMostThreads;

  static std::optional<ScanProblem> of(kernel::FuncOp func) {
    Operation *op = cpu::sequentialOp(func);
    if (!isa_and_nonnull<nn::CumSumOp, nn::NonZeroOp>(op) || !cpu::canCompute(func))
      return std::nullopt;
    ScanProblem p{op, cpu::sequentialParts(op), nn::numElements(op->getOperand(0).getType())};
    auto sum = dyn_cast<nn::CumSumOp>(op);
    if (!sum)
      return p;
    Type element = cpu::computeType(cast<ShapedType>(sum.getInput().getType()).getElementType());
    if (!element.isF32() && !element.isF64() && !element.isInteger(32) && !element.isInteger(64))
      return std::nullopt;
    p.size = nn::dimOf(sum.getType(), sum.getAxis());
    p.threads = kLineThreads;
    // Threads that have a line each are enough where there are many.
    constexpr int64_t kManyLines = 1 << 13, kShortLine = 32;
    std::optional<int64_t> size = p.size.asConstant(), lines = p.lines.asConstant();
    if ((size && *size < kShortLine) || (lines && *lines >= kManyLines && size && *size < kOfThread * kLineThreads))
      return std::nullopt;
    if (size)
      p.threads = std::min<int64_t>(kLineThreads, llvm::alignTo(llvm::divideCeil(*size, kOfThread), kWarp));
    return p;
  }
};

class ScanEmitter {
public:
  ScanEmitter(KernelBuilder &b, const ScanProblem &p) : b(b), w(b), ops(b.ops()), p(p), evaluator(b) {}

  void emit() {
    thread = w.thread();
    shared = w.shared();
    lane = w.rem(thread, kWarp);
    if (auto sum = dyn_cast<nn::CumSumOp>(p.op))
      emitSums(sum);
    else
      emitCoordinates(cast<nn::NonZeroOp>(p.op));
  }

private:
  int64_t atOnce() const { return p.threads * kOfThread; }

  /// x of another lane, of 32 or 64 bits.
  Value fromLane(Value x, Value from) {
    Type type = x.getType();
    if (type.getIntOrFloatBitWidth() == 32)
      return w.fromLane(x, from);
    auto words = VectorType::get({2}, ops.getI32Type());
    Value parts = LLVM::BitcastOp::create(ops, words, x), out = parts;
    for (int i = 0; i < 2; ++i)
      out = b.insertLane(out, w.fromLane(b.extractLane(parts, i), from), i);
    return LLVM::BitcastOp::create(ops, type, out);
  }

  Value isAtLeast(Value number, int64_t limit) { return arith::CmpIOp::create(ops, arith::CmpIPredicate::uge, number, w.i32(limit)); }

  /// x of this and of all lanes before it.
  Value throughLane(cpu::Fold kind, Value x) {
    for (int64_t distance = 1; distance < kWarp; distance *= 2) {
      Value other = fromLane(x, w.add(lane, -distance));
      x = w.select(isAtLeast(lane, distance), evaluator.combine(kind, other, x), x);
    }
    return x;
  }

  /// What lies before each thread's x in the block, and all of the block's.
  std::pair<Value, Value> before(cpu::Fold kind, Value x) {
    int64_t warps = p.threads / kWarp;
    Value through = throughLane(kind, x), none = evaluator.identity(kind, x.getType()), warp = w.div(thread, kWarp);
    Value ofLanes = w.select(isAtLeast(lane, 1), fromLane(through, w.add(lane, -1)), none);
    if (warps == 1)
      return {ofLanes, fromLane(through, w.i32(kWarp - 1))};
    b.ifThen(isAtLeast(lane, kWarp - 1), [&] { w.store(w.add(shared, w.mul(warp, kSlotBytes)), b.splat(through, 1)); });
    w.barrier();
    Value hasTotal = w.below(lane, w.i32(warps)),
          total = w.loadElement(w.add(shared, w.mul(w.select(hasTotal, lane, w.i32(0)), kSlotBytes)), x.getType());
    Value totals = throughLane(kind, w.select(hasTotal, total, none));
    w.barrier(); // before the next totals
    Value ofWarps = w.select(isAtLeast(warp, 1), fromLane(totals, w.add(warp, -1)), none);
    return {evaluator.combine(kind, ofWarps, ofLanes), fromLane(totals, w.i32(warps - 1))};
  }

  /// What an element of the line gives, `otherwise` behind its end.
  Value ifThere(Index number, Value otherwise, llvm::function_ref<Value()> element) {
    auto inside = [&] {
      Evaluator::Scope scope(evaluator);
      return KernelBuilder::Values{element()};
    };
    return b.ifElse(b.lessThan(number, b.dim(p.size)), otherwise.getType(), inside, [&] { return KernelBuilder::Values{otherwise}; })[0];
  }

  void emitSums(nn::CumSumOp op) {
    Tensor result = b.result(0);
    int axis = int(op.getAxis());
    cpu::Fold kind = op.getProduct() ? cpu::Fold::Multiply : cpu::Fold::Add;
    Index size = b.dim(p.size);
    Place line{cpu::placeOfRow(b, nn::dimsOf(op.getType()), axis, b.task())};
    auto placeOf = [&](Index number) {
      Place place{line};
      place.index[axis] = op.getReverse() ? b.sub(b.sub(size, 1), number) : number;
      return place;
    };
    Type type = evaluator.typeAt(op.getInput(), 0);
    Value none = evaluator.identity(kind, type);
    b.loop(0, size, atOnce(), none, [&](Index first, ValueRange carried) {
      Evaluator::Scope scope(evaluator);
      Index own = b.add(first, w.wide(w.mul(thread, kOfThread)));
      KernelBuilder::Values elements;
      Value sum = none;
      for (int64_t i = 0; i < kOfThread; ++i) {
        Index number = b.add(own, i);
        elements.push_back(ifThere(number, none, [&] { return evaluator.at(op.getInput(), placeOf(number)); }));
        sum = evaluator.combine(kind, sum, elements.back());
      }
      auto [earlier, all] = before(kind, sum);
      Value running = evaluator.combine(kind, carried[0], earlier);
      for (int64_t i = 0; i < kOfThread; ++i) {
        Index number = b.add(own, i);
        Value next = evaluator.combine(kind, running, elements[i]), wanted = op.getExclusive() ? running : next;
        b.ifThen(b.lessThan(number, size), [&] {
          if (cpu::computeType(result.element) != result.element)
            wanted = b.convert(wanted, result.element);
          b.store(wanted, result, b.at(result, placeOf(number).index));
        });
        running = next;
      }
      return KernelBuilder::Values{evaluator.combine(kind, carried[0], all)};
    });
  }

  void emitCoordinates(nn::NonZeroOp op) {
    Tensor result = b.result(0);
    SmallVector<nn::Dim> dims = nn::dimsOf(op.getInput().getType());
    Index size = b.dim(p.size), count = b.dim(nn::Dim(op.getCount()));
    auto coordinatesOf = [&](Index number) {
      SmallVector<Index, 6> index(dims.size(), Index(0));
      for (int i = int(dims.size()) - 1; i >= 0; --i) {
        Index extent = b.dim(dims[i]);
        index[i] = i ? b.rem(number, extent) : number;
        number = i ? b.div(number, extent) : number;
      }
      return index;
    };
    Type i64 = ops.getI64Type();
    Value none = b.value(0);
    b.loop(0, size, atOnce(), none, [&](Index first, ValueRange carried) {
      Evaluator::Scope scope(evaluator);
      Index own = b.add(first, w.wide(w.mul(thread, kOfThread)));
      KernelBuilder::Values hits;
      Value sum = none;
      for (int64_t i = 0; i < kOfThread; ++i) {
        Index number = b.add(own, i);
        hits.push_back(ifThere(number, b.integer(0, ops.getI1Type()),
                               [&] { return cpu::emitIsNotZero(b, evaluator.at(op.getInput(), Place{coordinatesOf(number)})); }));
        sum = arith::AddIOp::create(ops, sum, arith::ExtUIOp::create(ops, i64, hits.back()));
      }
      auto [earlier, all] = before(cpu::Fold::Add, sum);
      Value found = arith::AddIOp::create(ops, carried[0], earlier);
      for (int64_t i = 0; i < kOfThread; ++i) {
        // Whoever counted saw the same elements; memory behind `count` is out of reach all the same.
        Value isStored = arith::AndIOp::create(ops, hits[i], b.lessThan(Index(found), count));
        b.ifThen(isStored, [&] {
          for (auto [axis, coordinate] : llvm::enumerate(coordinatesOf(b.add(own, i))))
            b.store(b.value(coordinate), result, b.at(result, {Index(int64_t(axis)), Index(found)}));
        });
        found = arith::AddIOp::create(ops, found, arith::ExtUIOp::create(ops, i64, hits[i]));
      }
      return KernelBuilder::Values{arith::AddIOp::create(ops, carried[0], all)};
    });
  }

  KernelBuilder &b;
  Warp w;
  ImplicitLocOpBuilder &ops;
  ScanProblem p;
  Evaluator evaluator;
  Value thread, shared, lane;
};

class ScanFamily final : public KernelFamily {
public:
  StringRef name() const override { return "gpu.scan"; }

  bool matches(kernel::FuncOp func, const Target &) const override { return ScanProblem::of(func).has_value(); }

  KernelPlan plan(kernel::FuncOp func, kernel::ScheduleAttr, const Target &) const override {
    ScanProblem p = *ScanProblem::of(func);
    KernelPlan plan;
    plan.tasks = p.lines;
    plan.overwrites.assign(func.getNumResults(), -1);
    plan.block = {int(p.threads), 1, int(p.threads / kWarp * kSlotBytes)};
    return plan;
  }

  LogicalResult emit(kernel::FuncOp func, kernel::ScheduleAttr, KernelBuilder &b) const override {
    ScanEmitter(b, *ScanProblem::of(func)).emit();
    return success();
  }

  nn::Dim operations(kernel::FuncOp func) const override { return cpu::loopsFamily().operations(func); }
};
} // namespace

const KernelFamily &scanFamily() {
  static const ScanFamily family;
  return family;
}

} // namespace tenon::gpu
