// LSTMs. A block computes all steps of one direction and one element of the batch: the states stay in shared memory, and weights come from the L2
// cache in every step. A warp has a unit of the state at a time: its threads share the depth of the four gates' products, whose sums all of them then
// have.
#include "passes/6_codegen/gpu/Recurrent.h"
#include "passes/6_codegen/cpu/Recurrent.h"
#include "passes/6_codegen/cpu/RecurrentProblem.h"
#include "passes/6_codegen/cpu/VectorMath.h"
#include "passes/6_codegen/gpu/Warp.h"

namespace tenon::gpu {
using namespace mlir;
using cpu::RecurrentProblem, cpu::StoreView;

namespace {
constexpr int64_t kWarp = 32, kMostWarps = 32, kGates = 4, kFloatBytes = 4;
constexpr int64_t kMostShared = 48 << 10; // every GPU gives a block so much

/// Vectors in shared memory, padded with zeros so that a warp's threads all read something.
struct StateLayout {
  int64_t inputs, hidden; // padded

  explicit StateLayout(const RecurrentProblem &p) : inputs(llvm::alignTo(p.inputs, kWarp)), hidden(llvm::alignTo(p.hidden, kWarp)) {}
  int64_t inputAt() const { return 0; }                        // two: of this step, and of the next one
  int64_t stateAt() const { return 2 * inputs * kFloatBytes; } // two: of the step before, and of this one
  int64_t cellAt() const { return stateAt() + 2 * hidden * kFloatBytes; }
  int64_t bytes() const { return cellAt() + hidden * kFloatBytes; }
};

int64_t warpsOf(const RecurrentProblem &p) {
  return std::min(p.hidden, kMostWarps);
}

class RecurrentEmitter {
public:
  RecurrentEmitter(KernelBuilder &b, RecurrentProblem p)
      : b(b), w(b), ops(b.ops()), p(p), layout(p), threads(warpsOf(p) * kWarp), f32(b.ops().getF32Type()), input(b.tensorOf(p.op.getInput())) {}

  void emit() {
    thread = w.thread();
    shared = w.shared();
    lane = w.rem(thread, kWarp);
    direction = b.rem(b.task(), p.directions);
    element = b.div(b.task(), p.directions);
    steps = ownSteps();
    start();
    b.loop(0, steps, 1, [&](Index number) {
      b.loop(w.wide(w.div(thread, kWarp)), p.hidden, warpsOf(p), [&](Index unit) { compute(number, unit); });
      Index next = b.add(number, 1);
      b.ifThen(b.lessThan(next, steps), [&] { copyInput(next); });
      w.barrier();
    });
    finish();
  }

private:
  /// Those of this element's sequence.
  Index ownSteps() {
    Index all = b.dim(p.steps);
    if (!p.op.getLengths())
      return all;
    Tensor memory = b.tensorOf(p.op.getLengths());
    Value length = arith::ExtSIOp::create(ops, ops.getI64Type(), b.load(memory, b.at(memory, {element})));
    return b.min(b.max(Index(length), 0), all);
  }

  /// Where a step lies in the sequence.
  Index time(Index step) {
    Index backward = b.sub(b.sub(steps, 1), step);
    if (p.op.getDirection() == nn::Direction::Reverse)
      return backward;
    if (p.op.getDirection() == nn::Direction::Forward)
      return step;
    return b.select(b.equal(direction, 0), step, backward);
  }

  Value addressOf(int64_t vectorAt, Index number) { return w.add(shared, w.add(w.mul(w.narrow(number), kFloatBytes), vectorAt)); }
  /// One of two vectors that take turns.
  Value turn(int64_t firstAt, int64_t elements, Index step) {
    return w.add(shared, w.add(w.mul(w.narrow(b.rem(step, 2)), elements * kFloatBytes), firstAt));
  }
  void put(Value x, Value address) { w.store(address, b.splat(x, 1)); }
  void eachOfThread(Index count, llvm::function_ref<void(Index)> body) { b.loop(w.wide(thread), count, threads, body); }

  void copyInput(Index step) {
    Index at = time(step);
    Value to = turn(layout.inputAt(), layout.inputs, step);
    eachOfThread(p.inputs, [&](Index i) { put(b.load(input, b.at(input, {at, element, i})), w.add(to, w.mul(w.narrow(i), kFloatBytes))); });
  }

  void start() {
    eachOfThread(layout.bytes() / kFloatBytes, [&](Index i) { put(b.constant(0, f32), addressOf(0, i)); });
    w.barrier();
    for (auto [state, at] : {std::pair<Value, int64_t>(p.op.getInitialH(), layout.stateAt()), {p.op.getInitialC(), layout.cellAt()}}) {
      if (!state)
        continue;
      Tensor memory = b.tensorOf(state);
      eachOfThread(p.hidden, [&, at = at](Index i) { put(b.load(memory, b.at(memory, {direction, element, i})), addressOf(at, i)); });
    }
    b.ifThen(b.lessThan(0, steps), [&] { copyInput(0); });
    w.barrier();
  }

  /// The thread's share of the products of a vector in shared memory with the rows of a unit's four gates.
  void multiply(Value weight, int64_t depth, Value vectorAddress, Index unit, MutableArrayRef<Value> sums) {
    constexpr int64_t kAtOnce = 4; // loads of each gate that are under way together
    Tensor memory = b.tensorOf(weight);
    SmallVector<Index> rows;
    for (int64_t gate = 0; gate < kGates; ++gate)
      rows.push_back(b.at(memory, {direction, b.add(unit, gate * p.hidden), w.wide(lane)}));
    Value own = w.add(vectorAddress, w.mul(lane, kFloatBytes));
    auto weightAt = [&](int64_t gate, Index first) { return b.add(rows[gate], b.mul(first, memory.strides[2])); };
    auto add = [&](Index first, int64_t count, MutableArrayRef<Value> to) {
      SmallVector<Value> factors, weights;
      for (int64_t i = 0; i < count; ++i)
        factors.push_back(w.loadElement(w.add(own, w.mul(w.narrow(b.add(first, i * kWarp)), kFloatBytes)), f32));
      for (int64_t i = 0; i < count; ++i)
        for (int64_t gate = 0; gate < kGates; ++gate)
          weights.push_back(b.load(memory, weightAt(gate, b.add(first, i * kWarp))));
      for (int64_t i = 0; i < count; ++i)
        for (int64_t gate = 0; gate < kGates; ++gate)
          to[gate] = b.fma(weights[i * kGates + gate], factors[i], to[gate]);
    };
    int64_t whole = depth / (kAtOnce * kWarp) * kAtOnce * kWarp, rest = (depth - whole) / kWarp;
    if (whole) {
      KernelBuilder::Values summed = b.loop(0, whole, kAtOnce * kWarp, KernelBuilder::Values(sums), [&](Index first, ValueRange carried) {
        KernelBuilder::Values next(carried);
        add(first, kAtOnce, next);
        return next;
      });
      llvm::copy(summed, sums.begin());
    }
    if (rest)
      add(whole, rest, sums);
    int64_t last = whole + rest * kWarp;
    if (last == depth)
      return;
    Value isThere = w.below(lane, w.i32(depth - last)), factor = w.loadElement(w.add(own, last * kFloatBytes), f32);
    for (int64_t gate = 0; gate < kGates; ++gate) {
      Value loaded = w.loadIf(isThere, b.address(memory, weightAt(gate, last)), VectorType::get({1}, f32));
      sums[gate] = b.fma(b.extractLane(loaded, 0), factor, sums[gate]);
    }
  }

  Value parameter(Value operand, Index column) {
    Tensor memory = b.tensorOf(operand);
    return b.load(memory, b.at(memory, {direction, column}));
  }

  /// The sums of a unit's gates with their biases, in all threads of the warp.
  SmallVector<Value> gatesOf(Index step, Index unit) {
    SmallVector<Value> sums(kGates, b.constant(0, f32));
    multiply(p.op.getWeight(), p.inputs, turn(layout.inputAt(), layout.inputs, step), unit, sums);
    multiply(p.op.getRecurrence(), p.hidden, turn(layout.stateAt(), layout.hidden, step), unit, sums);
    for (auto [gate, sum] : llvm::enumerate(sums)) {
      for (int64_t distance = 1; distance < kWarp; distance *= 2)
        sum = arith::AddFOp::create(ops, sum, w.exchange(sum, distance));
      if (!p.op.getBias())
        continue;
      Index column = b.add(unit, int64_t(gate) * p.hidden);
      Value bias = arith::AddFOp::create(ops, parameter(p.op.getBias(), column), parameter(p.op.getBias(), b.add(column, kGates * p.hidden)));
      sum = arith::AddFOp::create(ops, sum, bias);
    }
    return sums;
  }

  void compute(Index step, Index unit) {
    Value cell = addressOf(layout.cellAt(), unit), before = w.loadElement(cell, f32);
    SmallVector<Value> sums = gatesOf(step, unit);
    auto peephole = [&](Value sum, Value state, int64_t part) {
      return p.op.getPeephole() ? b.fma(parameter(p.op.getPeephole(), b.add(unit, part * p.hidden)), state, sum) : sum;
    };
    Value in = cpu::emitSigmoid(b, peephole(sums[0], before, 0)), forget = cpu::emitSigmoid(b, peephole(sums[2], before, 2));
    Value after = b.fma(forget, before, arith::MulFOp::create(ops, in, cpu::emitTanh(b, sums[3])));
    Value out = arith::MulFOp::create(ops, cpu::emitSigmoid(b, peephole(sums[1], after, 1)), cpu::emitTanh(b, after));
    Value isFirst = w.below(lane, w.i32(1));
    b.ifThen(isFirst, [&] {
      put(after, cell);
      put(out, w.add(turn(layout.stateAt(), layout.hidden, b.add(step, 1)), w.mul(w.narrow(unit), kFloatBytes)));
      store(out, p.sequence, {time(step), direction, element, unit});
    });
  }

  void store(Value x, const std::optional<StoreView> &view, ArrayRef<Index> position) {
    if (!view)
      return;
    Tensor memory = b.result(view->result);
    Index at = memory.offset;
    for (auto [index, stride] : llvm::zip_equal(position, view->strides))
      at = b.add(at, b.mul(index, b.dim(stride)));
    b.store(x, memory, at);
  }

  /// The last states, and zeros after the end of a shorter sequence.
  void finish() {
    eachOfThread(p.hidden, [&](Index unit) {
      Value state = w.add(turn(layout.stateAt(), layout.hidden, steps), w.mul(w.narrow(unit), kFloatBytes));
      store(w.loadElement(state, f32), p.lastH, {direction, element, unit});
      store(w.loadElement(addressOf(layout.cellAt(), unit), f32), p.lastC, {direction, element, unit});
      if (p.op.getLengths() && p.sequence)
        b.loop(steps, b.dim(p.steps), 1, [&](Index t) { store(b.constant(0, f32), p.sequence, {t, direction, element, unit}); });
    });
  }

  KernelBuilder &b;
  Warp w;
  ImplicitLocOpBuilder &ops;
  RecurrentProblem p;
  StateLayout layout;
  int64_t threads;
  Type f32;
  Tensor input;
  Value thread, shared, lane;
  Index direction, element, steps;
};

class RecurrentFamily final : public KernelFamily {
public:
  StringRef name() const override { return "gpu.recurrent"; }

  bool matches(kernel::FuncOp func, const Target &) const override {
    std::optional<RecurrentProblem> p = RecurrentProblem::of(func);
    return p && StateLayout(*p).bytes() <= kMostShared;
  }

  void schedules(kernel::FuncOp func, const Target &, SmallVectorImpl<kernel::ScheduleAttr> &out) const override {
    out.push_back(kernel::ScheduleAttr::get(func.getContext(), name(), ArrayRef<std::pair<StringRef, int64_t>>{}));
  }

  KernelPlan plan(kernel::FuncOp func, kernel::ScheduleAttr, const Target &) const override {
    RecurrentProblem p = *RecurrentProblem::of(func);
    KernelPlan plan;
    plan.tasks = p.batch * p.directions;
    plan.overwrites.assign(func.getNumResults(), -1);
    plan.block = {int(warpsOf(p) * kWarp), 1, int(StateLayout(p).bytes())};
    return plan;
  }

  LogicalResult emit(kernel::FuncOp func, kernel::ScheduleAttr, KernelBuilder &b) const override {
    std::optional<RecurrentProblem> p = RecurrentProblem::of(func);
    if (!p)
      return func.emitError("the recurrent family computes one nn.lstm in f32 on views of arguments");
    RecurrentEmitter(b, *p).emit();
    return success();
  }

  nn::Dim operations(kernel::FuncOp func) const override { return cpu::recurrentFamily().operations(func); }
};
} // namespace

const KernelFamily &recurrentFamily() {
  static const RecurrentFamily family;
  return family;
}

} // namespace tenon::gpu
