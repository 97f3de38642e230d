#include "passes/6_codegen/cpu/RecurrentProblem.h"
#include "llvm/Support/MathExtras.h"

namespace tenon::cpu {
using namespace mlir;

std::optional<RecurrentProblem> RecurrentProblem::of(kernel::FuncOp func) {
  RecurrentProblem p;
  for (Operation &op : func.getBody().front())
    if (auto lstm = dyn_cast<nn::LSTMOp>(op)) {
      if (p.op)
        return std::nullopt;
      p.op = lstm;
    }
  if (!p.op)
    return std::nullopt;
  for (Value operand : p.op->getOperands()) {
    Type element = cast<RankedTensorType>(operand.getType()).getElementType();
    bool length = operand == p.op.getLengths();
    if (!unpacked(operand) && !isa<BlockArgument>(kernel::viewOf(operand).source))
      return std::nullopt;
    if (length ? !element.isInteger(32) : !element.isF32())
      return std::nullopt;
  }
  unsigned returned = 0;
  std::optional<StoreView> *views[] = {&p.sequence, &p.lastH, &p.lastC};
  for (auto [view, result] : llvm::zip(views, p.op->getResults())) {
    if (result.use_empty())
      continue;
    *view = storeViewOf(result, func);
    if (!*view || !(*view)->strides.back().isConstant(1))
      return std::nullopt;
    ++returned;
  }
  nn::Dim inputs = nn::dimOf(p.op.getInput().getType(), 2);
  if (returned != func.getNumResults() || !inputs.isConstant())
    return std::nullopt;
  p.steps = nn::dimOf(p.op.getInput().getType(), 0);
  p.batch = nn::dimOf(p.op.getInput().getType(), 1);
  p.directions = p.op.getDirection() == nn::Direction::Bidirectional ? 2 : 1;
  p.inputs = *inputs.asConstant();
  p.hidden = p.op.getHiddenSize();
  return p;
}

RecurrentSchedule RecurrentSchedule::of(kernel::ScheduleAttr attr) {
  RecurrentSchedule s;
  s.stepBlock = std::max<int64_t>(attr.get("tb", s.stepBlock), 1);
  s.unroll = std::max<int64_t>(attr.get("ku", s.unroll), 1);
  s.tasks = std::max<int64_t>(attr.get("tasks", s.tasks), 1);
  return s;
}

kernel::ScheduleAttr RecurrentSchedule::attr(MLIRContext *ctx) const {
  return kernel::ScheduleAttr::get(ctx, "recurrent", {{"tb", stepBlock}, {"ku", unroll}, {"tasks", tasks}});
}

bool packedAhead(Value weight, const RecurrentLayout &layout) {
  if (RecurrentProblem::unpacked(weight))
    return true;
  auto argument = dyn_cast<BlockArgument>(weight);
  auto func = argument ? dyn_cast<kernel::FuncOp>(argument.getOwner()->getParentOp()) : nullptr;
  return layout.packable && func && func.getArgAttr(argument.getArgNumber(), "kernel.constant");
}

RecurrentLayout::RecurrentLayout(const RecurrentProblem &p, const RecurrentSchedule &s, const Target &target) {
  lanes = target.lanes(32);
  panels = llvm::divideCeil(p.hidden, lanes);
  panel = kGates * lanes;
  packable = p.hidden % lanes == 0;
  productOffset = 0;
  stateOffset = s.stepBlock * panels * panel;
  stateStride = panels * lanes; // the cell, then two hidden states: the one that is read and the one that is written
  total = stateOffset + 3 * stateStride;
  nn::LSTMOp op = p.op;
  if (!packedAhead(op.getWeight(), *this)) {
    inputOffset = total;
    total += panels * panel * p.inputs;
  }
  if (!packedAhead(op.getRecurrence(), *this)) {
    recurrenceOffset = total;
    total += panels * panel * p.hidden;
  }
  units = p.batch * p.directions;
}

kernel::PackingAttr RecurrentLayout::packing(const RecurrentProblem &p, int64_t depth) const {
  int64_t rows = kGates * p.hidden;
  return kernel::PackingAttr::get(p.batch.context(), {p.directions, rows, depth}, {p.directions, kGates, panels, lanes, depth}, {0, 2, 4, 1, 3});
}

} // namespace tenon::cpu
