#include "passes/6_codegen/cpu/RecurrenceEmitter.h"
#include "passes/6_codegen/cpu/Registers.h"
#include "passes/6_codegen/cpu/VectorMath.h"

namespace tenon::cpu {
using namespace mlir;
using Values = KernelBuilder::Values;

RecurrenceLayout::RecurrenceLayout(nn::RecurrenceOp op, const Target &target) {
  auto weights = nn::dimsOf(op.getRecurrence().getType());
  elementBytes = nn::elementBytes(op.getGates().getType());
  hidden = *weights[1].asConstant();
  gates = *weights[2].asConstant() / hidden;
  lanes = target.lanes(8 * elementBytes);
  panels = llvm::divideCeil(hidden, lanes);
  row = panels * lanes;
  units = nn::dimOf(op.getGates().getType(), 1) * *weights[0].asConstant();
}

int64_t RecurrenceLayout::bytes() const {
  return llvm::alignTo(kRows * row * elementBytes, 64);
}

RecurrenceEmitter::RecurrenceEmitter(KernelBuilder &b, nn::RecurrenceOp op, kernel::FuncOp func)
    : b(b), op(op), layout(op, b.target()), gates(b.tensorOf(op.getGates())), weights(b.tensorOf(op.getRecurrence())),
      scratch(b.workspace(gates.element, 0, {RecurrenceLayout::kRows * layout.row})), vector(VectorType::get({layout.lanes}, gates.element)),
      steps(gates.sizes[0]) {
  for (auto [result, memory] : {std::pair(op.getSequence(), &sequence), {op.getLastH(), &lastH}, {op.getLastC(), &lastC}})
    if (auto i = returnedAs(func, result))
      *memory = b.result(*i);
}

void RecurrenceEmitter::emit() {
  auto [first, end] = b.share(b.dim(layout.units), b.tasks(), b.task());
  int64_t directions = op.getDirection() == nn::Direction::Bidirectional ? 2 : 1;
  b.loop(first, end, 1, [&](Index unit) {
    direction = b.rem(unit, directions);
    element = b.div(unit, directions);
    length = steps;
    if (Value lengths = op.getLengths()) {
      Tensor memory = b.tensorOf(lengths);
      Value given = arith::ExtSIOp::create(b.ops(), b.ops().getI64Type(), b.load(memory, b.at(memory, {element})));
      length = b.min(b.max(Index(given), 0), steps);
    }
    start();
    b.loop(0, length, 1, [&](Index t) { step(t); });
    finish();
  });
}

void RecurrenceEmitter::eachPanel(llvm::function_ref<void(const Panel &)> body) {
  int64_t rest = layout.hidden % layout.lanes, whole = layout.hidden / layout.lanes;
  b.loop(0, whole, 1, [&](Index panel) { body({b.mul(panel, layout.lanes), {}}); });
  if (rest)
    body({whole * layout.lanes, b.tailMask(rest, layout.lanes)});
}

Index RecurrenceEmitter::time(Index step) {
  Index backward = b.sub(b.sub(length, 1), step);
  if (op.getDirection() == nn::Direction::Bidirectional)
    return b.select(b.equal(direction, 0), step, backward);
  return op.getDirection() == nn::Direction::Forward ? step : backward;
}

Value RecurrenceEmitter::loadState(Value source, const Panel &panel) {
  if (!source)
    return b.constant(0.0, vector);
  Tensor memory = b.tensorOf(source);
  return b.loadMasked(memory, b.at(memory, {direction, element, panel.column}), layout.lanes, panel.mask);
}

void RecurrenceEmitter::store(Value value, const std::optional<Tensor> &result, ArrayRef<Index> at, Value mask) {
  if (result)
    b.storeMasked(value, *result, b.at(*result, at), mask);
}

void RecurrenceEmitter::start() {
  eachPanel([&](const Panel &panel) {
    b.store(loadState(op.getInitialH(), panel), scratch, hiddenAt(0, panel.column));
    b.store(loadState(op.getInitialC(), panel), scratch, slot(RecurrenceLayout::kCell, panel.column));
  });
}

/// The last states, and zeros after the end of a shorter sequence.
void RecurrenceEmitter::finish() {
  eachPanel([&](const Panel &panel) {
    store(b.load(scratch, hiddenAt(length, panel.column), layout.lanes), lastH, {direction, element, panel.column}, panel.mask);
    store(b.load(scratch, slot(RecurrenceLayout::kCell, panel.column), layout.lanes), lastC, {direction, element, panel.column}, panel.mask);
  });
  if (!op.getLengths())
    return;
  b.loop(length, steps, 1, [&](Index t) {
    eachPanel([&](const Panel &panel) { store(b.constant(0.0, vector), sequence, {t, direction, element, panel.column}, panel.mask); });
  });
}

Values RecurrenceEmitter::gatesAt(const Panel &panel, Index t, int first, int end) {
  Values sums;
  for (int gate = first; gate < end; ++gate) {
    Index at = b.at(gates, {time(t), element, direction, b.add(panel.column, gate * layout.hidden)});
    sums.push_back(b.loadMasked(gates, at, layout.lanes, panel.mask));
  }
  return sums;
}

Values RecurrenceEmitter::products(const Panel &panel, Index from, int first, int end, Values init) {
  return b.loop(0, layout.hidden, 1, init, [&](Index k, ValueRange sums) {
    Value state = b.broadcastLoad(scratch, b.add(from, k), layout.lanes);
    Values next;
    for (int gate = first; gate < end; ++gate) {
      Index at = b.at(weights, {direction, k, b.add(panel.column, gate * layout.hidden)});
      next.push_back(b.fma(state, b.loadMasked(weights, at, layout.lanes, panel.mask), sums[gate - first]));
    }
    return next;
  });
}

Value emitActivation(KernelBuilder &b, nn::RecurrenceOp op, int function, Value x) {
  Registers r{b};
  if (double limit = op.getClip().convertToDouble(); limit > 0)
    x = r.clamp(x, -limit, limit);
  StringRef name = cast<StringAttr>(op.getActivations()[function]).getValue();
  double alpha = op.getAlpha()[function], beta = op.getBeta()[function];
  Value zero = r.c(0, x);
  auto above = [&](Value limit) { return r.cmp(arith::CmpFPredicate::OGT, x, limit); };
  if (name == "Sigmoid")
    return emitSigmoid(b, x);
  if (name == "Tanh")
    return emitTanh(b, x);
  if (name == "Relu")
    return r.atLeast(x, zero);
  if (name == "Affine")
    return r.add(r.mul(x, alpha), beta);
  if (name == "LeakyRelu")
    return r.select(above(zero), x, r.mul(x, alpha));
  if (name == "ThresholdedRelu")
    return r.select(above(r.c(alpha, x)), x, zero);
  if (name == "ScaledTanh")
    return r.mul(emitTanh(b, r.mul(x, beta)), alpha);
  if (name == "HardSigmoid")
    return r.clamp(r.add(r.mul(x, alpha), beta), 0, 1);
  if (name == "Elu")
    return r.select(above(zero), x, r.mul(emitExpm1(b, r.atMost(x, zero)), alpha));
  if (name == "Softsign")
    return r.div(x, r.add(r.abs(x), 1.0));
  return emitSoftplus(b, x);
}

void RecurrenceEmitter::give(const Panel &panel, Index t, Value hidden) {
  b.store(hidden, scratch, hiddenAt(b.add(t, 1), panel.column));
  store(hidden, sequence, {time(t), direction, element, panel.column}, panel.mask);
}

void RecurrenceEmitter::step(Index t) {
  if (op.getCell() == nn::Cell::GRU && !op.getLinearBeforeReset())
    eachPanel([&](const Panel &panel) { gruGates(panel, t); });
  eachPanel([&](const Panel &panel) {
    switch (op.getCell()) {
    case nn::Cell::RNN:
      return rnnPanel(panel, t);
    case nn::Cell::GRU:
      return gruPanel(panel, t);
    case nn::Cell::LSTM:
      return lstmPanel(panel, t);
    }
  });
}

void RecurrenceEmitter::rnnPanel(const Panel &panel, Index t) {
  give(panel, t, activate(0, products(panel, hiddenAt(t, 0), 0, 1, gatesAt(panel, t, 0, 1))[0]));
}

/// z, and r * h, which the product of the hidden gate reads as a whole.
void RecurrenceEmitter::gruGates(const Panel &panel, Index t) {
  Values sums = products(panel, hiddenAt(t, 0), 0, 2, gatesAt(panel, t, 0, 2));
  Value before = b.load(scratch, hiddenAt(t, panel.column), layout.lanes);
  b.store(activate(0, sums[0]), scratch, slot(RecurrenceLayout::kUpdate, panel.column));
  b.store(Registers{b}.mul(activate(0, sums[1]), before), scratch, slot(RecurrenceLayout::kReset, panel.column));
}

void RecurrenceEmitter::gruPanel(const Panel &panel, Index t) {
  Registers r{b};
  Value update, sum, before = b.load(scratch, hiddenAt(t, panel.column), layout.lanes);
  if (op.getLinearBeforeReset()) {
    Values init = gatesAt(panel, t, 0, 2);
    Value own = b.constant(0.0, vector);
    if (Value bias = op.getResetBias()) {
      Tensor memory = b.tensorOf(bias);
      own = b.loadMasked(memory, b.at(memory, {direction, panel.column}), layout.lanes, panel.mask);
    }
    init.push_back(own);
    Values sums = products(panel, hiddenAt(t, 0), 0, 3, init);
    update = activate(0, sums[0]);
    sum = r.fma(activate(0, sums[1]), sums[2], gatesAt(panel, t, 2, 3)[0]);
  } else {
    update = b.load(scratch, slot(RecurrenceLayout::kUpdate, panel.column), layout.lanes);
    sum = products(panel, slot(RecurrenceLayout::kReset, 0), 2, 3, gatesAt(panel, t, 2, 3))[0];
  }
  Value candidate = activate(1, sum);
  give(panel, t, r.fma(update, r.sub(before, candidate), candidate));
}

Value RecurrenceEmitter::peephole(const Panel &panel, int part, Value state, Value sum) {
  if (!op.getPeephole())
    return sum;
  Tensor memory = b.tensorOf(op.getPeephole());
  Value weight = b.loadMasked(memory, b.at(memory, {direction, b.add(panel.column, part * layout.hidden)}), layout.lanes, panel.mask);
  return b.fma(weight, state, sum);
}

void RecurrenceEmitter::lstmPanel(const Panel &panel, Index t) {
  Registers r{b};
  Values sums = products(panel, hiddenAt(t, 0), 0, 4, gatesAt(panel, t, 0, 4));
  Index cell = slot(RecurrenceLayout::kCell, panel.column);
  Value before = b.load(scratch, cell, layout.lanes);
  Value in = activate(0, peephole(panel, 0, before, sums[0]));
  Value forget = op.getInputForget() ? r.sub(r.c(1.0, in), in) : activate(0, peephole(panel, 2, before, sums[2]));
  Value after = r.fma(forget, before, r.mul(in, activate(1, sums[3])));
  Value out = activate(0, peephole(panel, 1, after, sums[1]));
  b.store(after, scratch, cell);
  give(panel, t, r.mul(out, activate(2, after)));
}

} // namespace tenon::cpu
