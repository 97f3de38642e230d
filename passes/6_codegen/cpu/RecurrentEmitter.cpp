#include "passes/6_codegen/cpu/RecurrentEmitter.h"
#include "passes/6_codegen/cpu/ContractionEmitter.h"
#include "passes/6_codegen/cpu/Registers.h"
#include "passes/6_codegen/cpu/StepOrder.h"
#include "passes/6_codegen/cpu/VectorMath.h"

namespace tenon::cpu {
using namespace mlir;
using Values = KernelBuilder::Values;

RecurrentEmitter::RecurrentEmitter(KernelBuilder &b, RecurrentProblem p, const RecurrentSchedule &s)
    : b(b), p(p), s(s), layout(p, s, b.target()), input(b.tensorOf(p.op.getInput())),
      scratch(b.workspace(b.ops().getF32Type(), 0, {layout.total})), vector(VectorType::get({layout.lanes}, b.ops().getF32Type())),
      steps(b.dim(p.steps)) {}

void RecurrentEmitter::emit() {
  Index units = b.dim(layout.units), shares = s.tasks == 1 ? Index(1) : b.min(units, s.tasks);
  auto [first, end] = b.share(units, shares, s.tasks == 1 ? Index(0) : b.task());
  b.loop(first, end, 1, [&](Index number) {
    Unit unit{b.rem(number, p.directions), b.div(number, p.directions), steps};
    if (Value lengths = p.op.getLengths()) {
      Tensor memory = b.tensorOf(lengths);
      Value length = arith::ExtSIOp::create(b.ops(), b.ops().getI64Type(), b.load(memory, b.at(memory, {unit.element})));
      unit.steps = b.min(b.max(Index(length), 0), steps);
    }
    compute(unit);
  });
}

void RecurrentEmitter::compute(const Unit &unit) {
  Panels inputs = panelsOf(p.op.getWeight(), layout.inputOffset, p.inputs, unit.direction);
  Panels recurrence = panelsOf(p.op.getRecurrence(), layout.recurrenceOffset, p.hidden, unit.direction);
  start(unit);
  b.loop(0, unit.steps, s.stepBlock, [&](Index first) {
    Index count = b.min(b.sub(unit.steps, first), s.stepBlock);
    products(unit, inputs, first, count);
    b.loop(0, count, 1, [&](Index row) { step(unit, recurrence, b.add(first, row), row); });
  });
  finish(unit);
}

/// Panels as they were packed at compile time, or packed now, the gates of a unit beside each other.
RecurrentEmitter::Panels RecurrentEmitter::panelsOf(Value weight, int64_t offset, int64_t depth, Index direction) {
  int64_t size = layout.panels * layout.panel * depth;
  if (kernel::UnpackOp unpack = RecurrentProblem::unpacked(weight)) {
    Tensor memory = b.tensorOf(unpack.getPacked());
    return {memory, b.add(memory.offset, b.mul(direction, size))};
  }
  Tensor memory = b.tensorOf(weight);
  b.loop(0, layout.panels * layout.lanes, 1, [&](Index unit) {
    Index to = b.sum(offset, b.mul(b.div(unit, layout.lanes), depth * layout.panel), b.rem(unit, layout.lanes));
    // Units past the last one, in its panel, get the weights of the last one; they are computed and not stored.
    Index row = b.min(unit, p.hidden - 1);
    for (int64_t gate = 0; gate < RecurrentLayout::kGates; ++gate)
      b.loop(0, depth, 1, [&](Index k) {
        Value element = b.load(memory, b.at(memory, {direction, b.add(row, gate * p.hidden), k}));
        b.store(element, scratch, b.sum(to, b.mul(k, layout.panel), gate * layout.lanes));
      });
  });
  return {scratch, offset};
}

Index RecurrentEmitter::cell(Index panel) { return b.add(b.mul(panel, layout.lanes), layout.stateOffset); }

Index RecurrentEmitter::hiddenState(Index step) {
  return b.add(b.mul(b.rem(step, 2), layout.stateStride), layout.stateOffset + layout.stateStride);
}

void RecurrentEmitter::eachPanel(llvm::function_ref<void(Index, Value)> body) {
  int64_t rest = p.hidden % layout.lanes, whole = p.hidden / layout.lanes;
  b.loop(0, whole, 1, [&](Index panel) { body(panel, {}); });
  if (rest)
    body(whole, b.tailMask(rest, layout.lanes));
}

Value RecurrentEmitter::loadState(Value source, const Unit &unit, Index panel, Value mask) {
  if (!source)
    return b.constant(0.0, vector);
  Tensor memory = b.tensorOf(source);
  return b.loadMasked(memory, b.at(memory, {unit.direction, unit.element, b.mul(panel, layout.lanes)}), layout.lanes, mask);
}

void RecurrentEmitter::start(const Unit &unit) {
  eachPanel([&](Index panel, Value mask) {
    b.store(loadState(p.op.getInitialC(), unit, panel, mask), scratch, cell(panel));
    b.store(loadState(p.op.getInitialH(), unit, panel, mask), scratch, b.add(hiddenState(0), b.mul(panel, layout.lanes)));
  });
}

/// The last states, and zeros after the end of a shorter sequence.
void RecurrentEmitter::finish(const Unit &unit) {
  eachPanel([&](Index panel, Value mask) {
    Index column = b.mul(panel, layout.lanes);
    store(b.load(scratch, b.add(hiddenState(unit.steps), column), layout.lanes), p.lastH, {unit.direction, unit.element, column}, mask);
    store(b.load(scratch, cell(panel), layout.lanes), p.lastC, {unit.direction, unit.element, column}, mask);
  });
  if (!p.op.getLengths())
    return;
  b.loop(unit.steps, steps, 1, [&](Index t) {
    eachPanel([&](Index panel, Value mask) {
      store(b.constant(0.0, vector), p.sequence, {t, unit.direction, unit.element, b.mul(panel, layout.lanes)}, mask);
    });
  });
}

void RecurrentEmitter::store(Value value, const std::optional<StoreView> &view, ArrayRef<Index> position, Value mask) {
  if (!view)
    return;
  Tensor memory = b.result(view->result);
  Index at = memory.offset;
  for (auto [index, stride] : llvm::zip_equal(position, view->strides))
    at = b.add(at, b.mul(index, b.dim(stride)));
  b.storeMasked(value, memory, at, mask);
}

/// The position in the sequence of a step.
Index RecurrentEmitter::time(const Unit &unit, Index step) {
  return timeOfStep(b, p.op.getDirection(), unit.direction, unit.steps, step);
}

Value RecurrentEmitter::bias(const Unit &unit, Index panel, int64_t gate, Value mask) {
  if (!p.op.getBias())
    return b.constant(0.0, vector);
  Tensor memory = b.tensorOf(p.op.getBias());
  auto part = [&](int64_t first) {
    return b.loadMasked(memory, b.at(memory, {unit.direction, b.add(b.mul(panel, layout.lanes), first)}), layout.lanes, mask);
  };
  int64_t column = gate * p.hidden;
  return Registers{b}.add(part(column), part(RecurrentLayout::kGates * p.hidden + column));
}

/// Input times weights plus both biases for a block of steps, two gates at a time: [step][panel][gate][lane].
void RecurrentEmitter::products(const Unit &unit, const Panels &weights, Index firstStep, Index count) {
  constexpr int64_t kRows = 6, kGatesAtOnce = 2;
  Index origin = b.at(input, {time(unit, firstStep), unit.element, 0});
  // Rows go backwards in time where the direction does.
  Index stride = b.sub(b.at(input, {time(unit, b.add(firstStep, 1)), unit.element, 0}), origin);
  int64_t unroll = p.inputs % 4 == 0 ? 4 : p.inputs % 2 == 0 ? 2 : 1;
  Index tiles = b.div(b.add(count, kRows - 1), kRows);
  eachPanel([&](Index panel, Value mask) {
    for (int64_t gate = 0; gate < RecurrentLayout::kGates; gate += kGatesAtOnce) {
      Value biases[] = {bias(unit, panel, gate, mask), bias(unit, panel, gate + 1, mask)};
      RhsAddress right{weights.memory, b.sum(weights.base, b.mul(panel, layout.panel * p.inputs), gate * layout.lanes), {}, layout.panel, 1, {}};
      forRowTiles(b, count, kRows, 0, tiles, [&](Index first, int64_t rows, Index) {
        TileShape shape{rows, kGatesAtOnce, layout.lanes, {}, {}, p.inputs, unroll, vector.getElementType()};
        LhsAddress left{input, b.add(origin, b.mul(first, stride)), {}, {}, input.strides[2], input.strides[2]};
        Values init;
        for (int64_t r = 0; r < rows; ++r) {
          left.rows.push_back(b.mul(stride, r));
          init.append({biases[0], biases[1]});
        }
        Values sums = emitTile(b, shape, left, right, {}, init);
        for (int64_t r = 0; r < rows; ++r)
          for (int64_t x = 0; x < kGatesAtOnce; ++x) {
            Index row = b.mul(b.add(first, r), layout.panels * layout.panel);
            b.store(sums[r * kGatesAtOnce + x], scratch, b.sum(row, b.mul(panel, layout.panel), layout.productOffset + (gate + x) * layout.lanes));
          }
      });
    }
  });
}

void RecurrentEmitter::step(const Unit &unit, const Panels &weights, Index step, Index row) {
  TileShape shape{1, RecurrentLayout::kGates, layout.lanes, {}, {}, p.hidden, std::min(s.unroll, p.hidden), vector.getElementType()};
  eachPanel([&](Index panel, Value) {
    LhsAddress left{scratch, hiddenState(step), {0}, {}, 1, 1};
    RhsAddress right{weights.memory, b.add(weights.base, b.mul(panel, layout.panel * p.hidden)), {}, layout.panel, 1, {}};
    Index product = b.add(b.mul(row, layout.panels * layout.panel), b.mul(panel, layout.panel));
    Values init;
    for (int64_t gate = 0; gate < RecurrentLayout::kGates; ++gate)
      init.push_back(b.load(scratch, b.add(product, layout.productOffset + gate * layout.lanes), layout.lanes));
    gates(unit, panel, step, emitTile(b, shape, left, right, {}, init));
  });
}

void RecurrentEmitter::gates(const Unit &unit, Index panel, Index step, ArrayRef<Value> sums) {
  Registers r{b};
  Index column = b.mul(panel, layout.lanes);
  Value mask;
  if (panel.isConstant() && (panel.get() + 1) * layout.lanes > p.hidden)
    mask = b.tailMask(p.hidden % layout.lanes, layout.lanes);
  auto peephole = [&](Value sum, Value state, int64_t part) {
    if (!p.op.getPeephole())
      return sum;
    Tensor memory = b.tensorOf(p.op.getPeephole());
    Value weight = b.loadMasked(memory, b.at(memory, {unit.direction, b.add(column, part * p.hidden)}), layout.lanes, mask);
    return r.fma(weight, state, sum);
  };
  Value before = b.load(scratch, cell(panel), layout.lanes);
  Value in = emitSigmoid(b, peephole(sums[0], before, 0)), forget = emitSigmoid(b, peephole(sums[2], before, 2));
  Value after = r.fma(forget, before, r.mul(in, emitTanh(b, sums[3])));
  Value out = r.mul(emitSigmoid(b, peephole(sums[1], after, 1)), emitTanh(b, after));
  b.store(after, scratch, cell(panel));
  b.store(out, scratch, b.add(hiddenState(b.add(step, 1)), column));
  store(out, p.sequence, {time(unit, step), unit.direction, unit.element, column}, mask);
}

} // namespace tenon::cpu
