#include "passes/6_codegen/cpu/AttentionProblem.h"
#include "passes/6_codegen/cpu/StoreView.h"
#include "llvm/Support/MathExtras.h"

namespace tenon::cpu {
using namespace mlir;

std::optional<AttentionProblem> AttentionProblem::of(kernel::FuncOp func) {
  AttentionProblem p;
  for (Operation &op : func.getBody().front())
    if (auto attention = dyn_cast<nn::AttentionOp>(op)) {
      if (p.op)
        return std::nullopt;
      p.op = attention;
    }
  if (!p.op || func.getNumResults() != 1)
    return std::nullopt;
  for (Value operand : p.op->getOperands())
    if (!isa<BlockArgument>(kernel::viewOf(operand).source))
      return std::nullopt;
  if (Value mask = p.op.getMask(); mask && cast<RankedTensorType>(mask.getType()).getRank() == 0)
    return std::nullopt;
  SmallVector<nn::Dim> query = nn::dimsOf(p.op.getQuery().getType()), key = nn::dimsOf(p.op.getKey().getType());
  nn::Dim width = nn::dimOf(p.op.getValue().getType(), 3);
  std::optional<nn::Dim> share = query[1].dividedExactlyBy(key[1]);
  std::optional<StoreView> stores = storeViewOf(p.op.getResult(), func);
  if (!query[3].isConstant() || !width.isConstant() || !share || !stores || !stores->strides.back().isConstant(1))
    return std::nullopt;
  p.batch = query[0];
  p.heads = query[1];
  p.rows = query[2];
  p.keys = key[2];
  p.depth = *query[3].asConstant();
  p.width = *width.asConstant();
  p.headsPerKey = *share;
  p.stores = stores->strides;
  return p;
}

AttentionSchedule AttentionSchedule::of(kernel::ScheduleAttr attr) {
  AttentionSchedule s;
  s.rows = attr.get("mr", s.rows);
  s.vectors = attr.get("nv", s.vectors);
  s.rowBlock = attr.get("sb", s.rowBlock);
  s.keyBlock = attr.get("tb", s.keyBlock);
  s.tasks = attr.get("tasks", s.tasks);
  return s;
}

kernel::ScheduleAttr AttentionSchedule::attr(MLIRContext *ctx) const {
  return kernel::ScheduleAttr::get(ctx, "attention", {{"mr", rows}, {"nv", vectors}, {"sb", rowBlock}, {"tb", keyBlock}, {"tasks", tasks}});
}

AttentionLayout::AttentionLayout(const AttentionProblem &p, const AttentionSchedule &s, const Target &target) {
  lanes = target.lanes(32);
  panel = s.vectors * lanes;
  keys = s.keyBlock ? s.keyBlock : p.keys.asConstant().value_or(0);
  rows = s.rowBlock ? s.rowBlock : p.rows.asConstant().value_or(0);
  online = s.keyBlock && !(p.keys.isConstant() && *p.keys.asConstant() <= s.keyBlock);
  keyPanels = llvm::divideCeil(keys, panel);
  valuePanels = llvm::divideCeil(p.width, panel);
  valueOffset = keyOffset + keyPanels * p.depth * panel;
  scoreOffset = valueOffset + valuePanels * keys * panel;
  // An odd number of cache lines between rows keeps the rows of a tile out of each other's sets.
  constexpr int64_t kLine = 16;
  scoreStride = llvm::alignTo(keyPanels * panel, 2 * kLine) + kLine;
  stateOffset = scoreOffset + s.rows * scoreStride;
  stateStride = 2 * lanes + valuePanels * panel;
  total = stateOffset + (online ? rows * stateStride : 0);
  nn::Dim blocks = s.rowBlock ? p.rows.ceilDiv(s.rowBlock) : nn::Dim::constant(p.batch.context(), 1);
  units = p.batch * p.heads * blocks;
}

std::string validate(const AttentionProblem &p, const AttentionSchedule &s) {
  if (s.rows < 1 || s.vectors < 1 || s.rows * s.vectors > 64)
    return "a register tile has 1 to 64 vectors: mr * nv";
  if (s.rowBlock < 0 || s.keyBlock < 0 || s.tasks < 1)
    return "sb and tb are at least 0, tasks at least 1";
  if (!s.keyBlock && !p.keys.isConstant())
    return "a free number of keys needs blocks (tb)";
  bool online = s.keyBlock && !(p.keys.isConstant() && *p.keys.asConstant() <= s.keyBlock);
  if (online && !s.rowBlock && !p.rows.isConstant())
    return "blocks of keys need blocks of a free number of rows (sb)";
  return "";
}

} // namespace tenon::cpu
