#include "passes/6_codegen/gpu/RecurrentEmitter.h"
#include "passes/6_codegen/cpu/RecurrenceEmitter.h"
#include "passes/6_codegen/cpu/Registers.h"
#include "passes/6_codegen/cpu/StepOrder.h"

namespace tenon::gpu {
using namespace mlir;

namespace {
constexpr int64_t kWarp = 32, kFloatBytes = 4, kBarrierBytes = 8;
constexpr int64_t kUnits = RecurrentShape::kUnits, kSlices = RecurrentShape::kSlices, kDepth = RecurrentShape::kDepth;
} // namespace

RecurrentEmitter::RecurrentEmitter(KernelBuilder &b, const RecurrentProblem &p, const RecurrentShape &s)
    : b(b), w(b), ops(b.ops()), p(p), s(s), f32(b.ops().getF32Type()), gates(b.tensorOf(this->p.op.getGates())),
      weights(b.tensorOf(this->p.op.getRecurrence())) {}

void RecurrentEmitter::emit() {
  thread = w.thread();
  shared = w.shared();
  rank = s.cluster == 1 ? w.i32(0) : w.rankInCluster();
  Value warp = w.div(thread, kWarp), lane = w.rem(thread, kWarp);
  unitOfThread = w.add(w.mul(w.rem(warp, s.atOnce / kUnits), kUnits), w.rem(lane, kUnits));
  sliceOfThread = w.add(w.mul(w.div(warp, s.atOnce / kUnits), kSlices), w.div(lane, kUnits));
  Index cluster = b.div(b.task(), s.cluster);
  direction = b.rem(cluster, p.directions);
  firstElement = b.mul(b.div(cluster, p.directions), s.elements);
  batch = b.dim(p.batch);
  steps = b.dim(p.steps);
  auto argument = cast<BlockArgument>(kernel::viewOf(p.op.getRecurrence()).source);
  bool isConstant = b.kernelFunc().getArgAttr(argument.getArgNumber(), "kernel.constant") != nullptr;
  if (!isConstant)
    b.waitForInputs();
  loadWeights();
  if (isConstant)
    b.waitForInputs();
  all = stepsOfAll();
  start();
  Values init;
  for (int64_t i = 0; i < slotCount(); ++i) {
    slots.push_back(slotOf(i));
    llvm::append_range(init, pack(startOf(slots.back())));
  }
  startBarriers();
  // A block without units takes part in no step: nobody would know how far it has come.
  Index own = blocks() == s.cluster ? all : b.select(b.lessThan(w.wide(rank), blocks()), all, 0);
  finish(unpack(b.loop(0, own, 1, init, [&](Index number, ValueRange carried) { return step(number, carried); })));
}

// --- what a thread has

/// Of a cluster, those that have units: the first ones.
int64_t RecurrentEmitter::blocks() const {
  return llvm::divideCeil(p.hidden, s.units);
}

int64_t RecurrentEmitter::slotCount() const {
  return llvm::divideCeil(s.elements * s.units, s.threads());
}

RecurrentEmitter::Slot RecurrentEmitter::slotOf(int64_t number) {
  Slot slot;
  Value own = w.add(thread, number * s.threads()), unit = w.rem(own, s.units), element = w.div(own, s.units);
  slot.sum = w.mul(w.add(w.mul(element, s.sums() * p.gates * s.units), w.add(unit, s.sumsAt(p))), kFloatBytes);
  slot.element = b.add(firstElement, w.wide(element));
  slot.unit = w.wide(w.add(unit, w.mul(rank, s.units)));
  auto both = [&](Value x, Value y) -> Value { return arith::AndIOp::create(ops, x, y); };
  slot.isThere = both(w.below(own, w.i32(s.elements * s.units)), both(b.lessThan(slot.unit, p.hidden), b.lessThan(slot.element, batch)));
  slot.steps = p.op.getLengths() ? stepsOf(b.min(slot.element, b.sub(batch, 1))) : steps;
  if (Value bias = p.op.getResetBias())
    slot.resetBias = loadIf(slot.isThere, b.tensorOf(bias), {direction, slot.unit});
  if (Value peephole = p.op.getPeephole())
    for (int64_t part = 0; part < 3; ++part)
      slot.peephole.push_back(loadIf(slot.isThere, b.tensorOf(peephole), {direction, b.add(slot.unit, part * p.hidden)}));
  return slot;
}

Index RecurrentEmitter::stepsOf(Index element) {
  Tensor memory = b.tensorOf(p.op.getLengths());
  Value length = arith::ExtSIOp::create(ops, ops.getI64Type(), b.load(memory, b.at(memory, {element})));
  return b.min(b.max(Index(length), 0), steps);
}

Index RecurrentEmitter::stepsOfAll() {
  if (!p.op.getLengths())
    return steps;
  Index most = 0;
  for (int64_t i = 0; i < s.elements; ++i)
    most = b.max(most, stepsOf(b.min(b.add(firstElement, i), b.sub(batch, 1))));
  return most;
}

/// Where a step lies in the sequence.
Index RecurrentEmitter::time(const Slot &slot, Index step) {
  return cpu::timeOfStep(b, p.op.getDirection(), direction, slot.steps, step);
}

/// Zero where the condition does not hold. Such loads stay where they are: LLVM moves nothing out of the loop of steps, or into it.
Value RecurrentEmitter::loadIf(Value condition, const Tensor &memory, ArrayRef<Index> at) {
  return b.extractLane(w.loadIf(condition, b.address(memory, b.at(memory, at)), VectorType::get({1}, f32)), 0);
}

Value RecurrentEmitter::stateAt(Index step, Value element) {
  Value turn = w.mul(w.narrow(b.rem(step, 2)), s.elements * s.depth());
  return w.add(shared, w.mul(w.add(turn, w.mul(element, s.depth())), kFloatBytes));
}

// --- the beginning

void RecurrentEmitter::loadWeights() {
  for (int64_t chunk = 0; chunk < s.resident; ++chunk)
    resident.push_back(weightsOf(chunk, 0, p.gates, 0));
}

/// A thread's weights of a chunk: of each element of the depth those of all the gates.
RecurrentEmitter::Values RecurrentEmitter::weightsOf(Index chunk, int64_t firstGate, int64_t endGate, Index round) {
  Index unit = b.sum(w.wide(unitOfThread), b.mul(w.wide(rank), s.units), b.mul(round, s.atOnce));
  Index first = b.mul(b.add(b.mul(chunk, s.slices), w.wide(sliceOfThread)), kDepth);
  Values values;
  for (int64_t i = 0; i < kDepth; ++i) {
    Index k = b.add(first, i);
    Value isThere = arith::AndIOp::create(ops, b.lessThan(unit, p.hidden), b.lessThan(k, p.hidden));
    for (int64_t gate = firstGate; gate < endGate; ++gate)
      values.push_back(loadIf(isThere, weights, {direction, k, b.add(unit, gate * p.hidden)}));
  }
  return values;
}

/// The copy of the whole state, zeros behind it; nothing is sent before all blocks have it.
void RecurrentEmitter::start() {
  auto put = [&](Index at, Value x) { w.store(w.add(shared, w.mul(w.narrow(at), kFloatBytes)), b.splat(x, 1)); };
  b.loop(w.wide(thread), s.sumsAt(p), s.threads(), [&](Index i) { put(i, b.constant(0, f32)); });
  Value initial = p.op.getInitialH();
  if (!initial)
    return;
  w.barrier();
  Tensor memory = b.tensorOf(initial);
  b.loop(w.wide(thread), s.elements * p.hidden, s.threads(), [&](Index i) {
    Index own = b.div(i, p.hidden), unit = b.rem(i, p.hidden), element = b.add(firstElement, own);
    put(b.add(b.mul(own, s.depth()), unit), loadIf(b.lessThan(element, batch), memory, {direction, element, unit}));
  });
}

RecurrentEmitter::State RecurrentEmitter::startOf(const Slot &slot) {
  auto initial = [&](Value source) {
    return source ? loadIf(slot.isThere, b.tensorOf(source), {direction, slot.element, slot.unit}) : b.constant(0, f32);
  };
  State state{initial(p.op.getInitialH()), {}, {}};
  if (p.hasCell())
    state.cell = initial(p.op.getInitialC());
  return state;
}

RecurrentEmitter::Values RecurrentEmitter::gatesAt(const Slot &slot, Index step) {
  Value isThere = arith::AndIOp::create(ops, slot.isThere, b.lessThan(step, slot.steps));
  Values values;
  for (int64_t gate = 0; gate < p.gates; ++gate)
    values.push_back(loadIf(isThere, gates, {time(slot, step), slot.element, direction, b.add(slot.unit, gate * p.hidden)}));
  return values;
}

// --- a step

RecurrentEmitter::Values RecurrentEmitter::step(Index number, ValueRange carried) {
  SmallVector<State> before = unpack(carried);
  for (auto [slot, state] : llvm::zip_equal(slots, before)) // on their way while the state is waited for
    state.gates = gatesAt(slot, number);
  waitForStates(number);
  ofSums = s.sumTurns(p) == 1 ? shared : w.add(shared, w.mul(w.narrow(b.rem(number, 2)), s.sumsOfTurn(p) * kFloatBytes));
  Value vectors = stateAt(number, w.i32(0));
  SmallVector<Value> updates(slots.size());
  if (p.resetsFirst) {
    products(vectors, 0, 2);
    w.barrier();
    for (auto [slot, state, update] : llvm::zip_equal(slots, before, updates))
      update = resetStates(slot, state);
    wait(ofResets, number);
    products(w.add(shared, s.resetAt() * kFloatBytes), 2, 3);
  } else {
    products(vectors, 0, p.gates);
  }
  w.barrier();
  Values out;
  for (auto [slot, state, update] : llvm::zip_equal(slots, before, updates))
    llvm::append_range(out, pack(next(number, slot, state, update)));
  return out;
}

void RecurrentEmitter::products(Value vectors, int64_t firstGate, int64_t endGate) {
  b.loop(0, s.units / s.atOnce, 1, [&](Index round) { productsOfRound(vectors, firstGate, endGate, round); });
}

void RecurrentEmitter::productsOfRound(Value vectors, int64_t firstGate, int64_t endGate, Index round) {
  int64_t count = endGate - firstGate, ways = count >= 3 ? 1 : kDepth / count; // sums of a gate that do not wait for each other
  Value own = w.add(vectors, w.mul(sliceOfThread, kDepth * kFloatBytes));
  auto add = [&](Index chunk, ArrayRef<Value> factors, Values &sums) {
    int64_t all = factors.size() / kDepth, first = all == p.gates ? firstGate : 0; // of each element of the depth
    for (int64_t element = 0; element < s.elements; ++element) {
      Value at = w.add(own, w.mul(w.add(w.mul(w.narrow(chunk), s.slices * kDepth), w.i32(element * s.depth())), kFloatBytes));
      Value state = w.loadFloats(at);
      for (int64_t i = 0; i < kDepth; ++i)
        for (int64_t gate = 0; gate < count; ++gate) {
          Value &sum = sums[(element * count + gate) * ways + i % ways];
          sum = b.fma(factors[i * all + first + gate], b.extractLane(state, i), sum);
        }
    }
  };
  Values sums(s.elements * count * ways, b.constant(0, f32));
  for (int64_t chunk = 0; chunk < s.resident; ++chunk)
    add(chunk, resident[chunk], sums);
  if (s.resident < s.chunks)
    sums = b.loop(s.resident, s.chunks, 1, sums, [&](Index chunk, ValueRange carried) {
      Values next(carried);
      add(chunk, weightsOf(chunk, firstGate, endGate, round), next);
      return next;
    });
  // The sums of a warp's slices, each in the threads of one slice.
  Value to = w.add(w.add(unitOfThread, w.mul(w.narrow(round), s.atOnce)), w.mul(w.div(sliceOfThread, kSlices), p.gates * s.units));
  to = w.add(ofSums, w.mul(w.add(to, s.sumsAt(p)), kFloatBytes));
  Values whole;
  SmallVector<int64_t> places;
  for (int64_t element = 0; element < s.elements; ++element)
    for (int64_t gate = 0; gate < count; ++gate) {
      Value sum = sums[(element * count + gate) * ways];
      for (int64_t i = 1; i < ways; ++i)
        sum = arith::AddFOp::create(ops, sum, sums[(element * count + gate) * ways + i]);
      whole.push_back(sum);
      places.push_back((element * s.sums() * p.gates + firstGate + gate) * s.units * kFloatBytes);
    }
  for (size_t first = 0; first < whole.size(); first += kSlices)
    addSlices(to, ArrayRef(whole).slice(first).take_front(kSlices), ArrayRef(places).slice(first).take_front(kSlices));
}

/// Adds up as many sums as a warp has slices, or fewer, over these: each slice keeps one of them, gives the others away, and stores its own. No
/// branch, into which LLVM would move what the threads of a warp do together.
void RecurrentEmitter::addSlices(Value to, ArrayRef<Value> sums, ArrayRef<int64_t> places) {
  Value slice = w.rem(sliceOfThread, kSlices), zero = b.constant(0, f32);
  auto isOdd = [&](Value number) -> Value { return arith::CmpIOp::create(ops, arith::CmpIPredicate::ne, w.bitAnd(number, w.i32(1)), w.i32(0)); };
  Value keepsSecond = isOdd(slice), keepsLast = isOdd(w.div(slice, 2));
  auto exchanged = [&](Value first, Value second, Value keeps, int64_t distance) -> Value {
    return arith::AddFOp::create(ops, w.select(keeps, second, first), w.exchange(w.select(keeps, first, second), distance));
  };
  auto both = [&](Value sum, int64_t distance) -> Value { return arith::AddFOp::create(ops, sum, w.exchange(sum, distance)); };
  Value own = sums.size() == 1 ? both(sums[0], kUnits) : exchanged(sums[0], sums[1], keepsSecond, kUnits);
  if (sums.size() > 2)
    own = exchanged(own, exchanged(sums[2], sums.size() > 3 ? sums[3] : zero, keepsSecond, kUnits), keepsLast, 2 * kUnits);
  else
    own = both(own, 2 * kUnits);
  Value place = w.i32(places[0]);
  for (size_t i = 1; i < places.size(); ++i)
    place = w.select(arith::CmpIOp::create(ops, arith::CmpIPredicate::eq, slice, w.i32(int64_t(i))), w.i32(places[i]), place);
  w.storeIf(w.below(slice, w.i32(int64_t(places.size()))), w.add(to, place), own);
}

/// What a gate's product is, added to `init`.
Value RecurrentEmitter::sumOf(const Slot &slot, int64_t gate, Value init) {
  Value first = w.add(ofSums, slot.sum);
  for (int64_t i = 0; i < s.sums(); ++i)
    init = arith::AddFOp::create(ops, init, w.loadElement(w.add(first, (i * p.gates + gate) * s.units * kFloatBytes), f32));
  return init;
}

/// Sends what the reset gate leaves of a state, and gives the update gate.
Value RecurrentEmitter::resetStates(const Slot &slot, const State &before) {
  return b.ifElse(
      slot.isThere, f32,
      [&] {
        Value reset = activate(0, sumOf(slot, 1, before.gates[1]));
        send(arith::MulFOp::create(ops, reset, before.hidden), w.add(shared, s.resetAt() * kFloatBytes), slot, ofResets);
        return Values{activate(0, sumOf(slot, 0, before.gates[0]))};
      },
      [&] { return Values{b.constant(0, f32)}; })[0];
}

/// Until all blocks have sent their states of the step before; then others can follow.
void RecurrentEmitter::waitForStates(Index number) {
  b.ifThen(b.lessThan(0, number), [&] { wait(barrierOf(number), s.cluster == 1 ? 0 : b.div(b.sub(number, 1), 2)); });
  if (s.cluster == 1)
    return;
  Index after = b.add(number, 1);
  b.ifThen(b.lessThan(after, all), [&] { expect(barrierOf(after)); });
  if (p.resetsFirst)
    expect(ofResets);
}

RecurrentEmitter::State RecurrentEmitter::next(Index number, const Slot &slot, const State &before, Value update) {
  SmallVector<Type> types(p.hasCell() ? 2 : 1, f32);
  auto given = [](Value hidden, Value cell) { return cell ? Values{hidden, cell} : Values{hidden}; };
  Values after = b.ifElse(
      slot.isThere, types,
      [&] {
        Value isActive = b.lessThan(number, slot.steps), cell = before.cell, hidden = hiddenOf(slot, before, update, cell);
        if (p.op.getLengths()) { // a sequence that is over keeps its states
          hidden = w.select(isActive, hidden, before.hidden);
          cell = cell ? w.select(isActive, cell, before.cell) : cell;
        }
        Index after = b.add(number, 1); // the last state is sent to nobody: a block may end before others
        b.ifThen(b.lessThan(after, all), [&] { send(hidden, stateAt(after, w.i32(0)), slot, barrierOf(after)); });
        storeStep(number, slot, hidden);
        return given(hidden, cell);
      },
      [&] { return given(before.hidden, before.cell); });
  return {after[0], p.hasCell() ? after[1] : Value(), {}};
}

void RecurrentEmitter::storeStep(Index number, const Slot &slot, Value hidden) {
  Index at = time(slot, number);
  if (p.op.getLengths()) {
    Value isActive = b.lessThan(number, slot.steps);
    hidden = w.select(isActive, hidden, b.constant(0, f32));
    at = b.select(isActive, at, number);
  }
  store(hidden, p.sequence, {at, direction, slot.element, slot.unit});
}

/// The new hidden state; `cell` becomes the new one.
Value RecurrentEmitter::hiddenOf(const Slot &slot, const State &before, Value update, Value &cell) {
  cpu::Registers r{b};
  auto sum = [&](int64_t gate) { return sumOf(slot, gate, before.gates[gate]); };
  if (p.cell == nn::Cell::RNN)
    return activate(0, sum(0));
  if (p.cell == nn::Cell::GRU) {
    Value candidate;
    if (p.resetsFirst) {
      candidate = activate(1, sum(2));
    } else {
      update = activate(0, sum(0));
      Value product = sumOf(slot, 2, slot.resetBias ? slot.resetBias : b.constant(0, f32));
      candidate = activate(1, r.fma(activate(0, sum(1)), product, before.gates[2]));
    }
    return r.fma(update, r.sub(before.hidden, candidate), candidate);
  }
  auto withPeephole = [&](Value x, Value state, int64_t part) { return slot.peephole.empty() ? x : b.fma(slot.peephole[part], state, x); };
  Value in = activate(0, withPeephole(sum(0), before.cell, 0));
  Value forget = p.op.getInputForget() ? r.sub(r.c(1.0, in), in) : activate(0, withPeephole(sum(2), before.cell, 2));
  cell = r.fma(forget, before.cell, r.mul(in, activate(1, sum(3))));
  return r.mul(activate(0, withPeephole(sum(1), cell, 1)), activate(2, cell));
}

Value RecurrentEmitter::activate(int function, Value x) {
  return cpu::emitActivation(b, p.op, function, x);
}

/// Puts a slot's element of a vector into the copies of all blocks that have units.
void RecurrentEmitter::send(Value x, Value vectors, const Slot &slot, Value barrier) {
  Value place = w.add(w.mul(w.narrow(b.sub(slot.element, firstElement)), s.depth()), w.narrow(slot.unit));
  Value to = w.add(vectors, w.mul(place, kFloatBytes));
  if (s.cluster == 1)
    return w.store(to, b.splat(x, 1));
  for (int64_t block = 0; block < blocks(); ++block)
    w.sendWord(w.peer(to, w.i32(block)), x, w.peer(barrier, w.i32(block)));
}

// --- what blocks wait for. A barrier in a block's own shared memory counts the bytes that all send to it.
//
// A block sends state n + 1 when it has state n of all blocks that it sends to. Each of them sent that after the bar.sync of step n - 1, before which
// its warps had read state n - 1, whose place state n + 1 takes; and after it had all of state n - 1, so that a barrier that counts every other state
// never counts bytes of two. One for all states would: what a slow block sends of state n may come to a third one after what a fast block sends it
// of state n + 1. Resets of step n are counted by one barrier: they are sent after state n has come, which all send after the resets of step n - 1
// have come to them and, before that bar.sync, have been read.
//
// Sums of warps are read behind the bar.sync of a step, by threads that send to their own block, too, what they compute from them. All warps wait for
// these bytes before they store the next ones. racecheck does not see that order, and tells of a race unless there is a bar.sync between: in a step
// that resets there is one, else sums of two steps take turns.

void RecurrentEmitter::startBarriers() {
  ofStates = w.add(shared, s.barriersAt(p) * kFloatBytes);
  ofResets = w.add(ofStates, 2 * kBarrierBytes);
  if (s.cluster == 1)
    return w.barrier();
  b.ifThen(w.below(thread, w.i32(1)), [&] {
    for (int64_t i = 0; i < RecurrentShape::kBarriers; ++i)
      w.beginBarrier(w.add(ofStates, i * kBarrierBytes), 1);
    w.showBarriers();
  });
  w.clusterBarrier();
}

Value RecurrentEmitter::barrierOf(Index state) {
  if (s.cluster == 1)
    return ofStates;
  return w.add(ofStates, w.mul(w.narrow(b.rem(state, 2)), kBarrierBytes));
}

void RecurrentEmitter::expect(Value barrier) {
  Index elements = b.min(b.sub(batch, firstElement), s.elements);
  b.ifThen(w.below(thread, w.i32(1)), [&] { w.arriveWithBytes(barrier, w.mul(w.narrow(elements), p.hidden * kFloatBytes)); });
}

void RecurrentEmitter::wait(Value barrier, Index turn) {
  s.cluster == 1 ? w.barrier() : w.waitForPeers(barrier, w.narrow(b.rem(turn, 2)));
}

void RecurrentEmitter::store(Value x, const std::optional<cpu::StoreView> &view, ArrayRef<Index> position) {
  if (!view)
    return;
  Tensor memory = b.result(view->result);
  Index at = memory.offset;
  for (auto [index, stride] : llvm::zip_equal(position, view->strides))
    at = b.add(at, b.mul(index, b.dim(stride)));
  b.store(x, memory, at);
}

/// The last states, and zeros after the end of the longest sequence.
void RecurrentEmitter::finish(ArrayRef<State> states) {
  for (auto [slot, state] : llvm::zip_equal(slots, states))
    b.ifThen(slot.isThere, [&, &slot = slot, &state = state] {
      store(state.hidden, p.lastH, {direction, slot.element, slot.unit});
      store(state.cell ? state.cell : b.constant(0, f32), p.lastC, {direction, slot.element, slot.unit});
      if (p.op.getLengths() && p.sequence)
        b.loop(all, steps, 1, [&](Index t) { store(b.constant(0, f32), p.sequence, {t, direction, slot.element, slot.unit}); });
    });
}

// --- carried values

RecurrentEmitter::Values RecurrentEmitter::pack(const State &state) {
  return state.cell ? Values{state.hidden, state.cell} : Values{state.hidden};
}

SmallVector<RecurrentEmitter::State> RecurrentEmitter::unpack(ValueRange carried) {
  SmallVector<State> states;
  size_t each = p.hasCell() ? 2 : 1;
  for (size_t first = 0; first < carried.size(); first += each)
    states.push_back({carried[first], p.hasCell() ? carried[first + 1] : Value(), {}});
  return states;
}

} // namespace tenon::gpu
