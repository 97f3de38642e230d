#include "passes/6_codegen/cpu/AttentionProblem.h"
#include "llvm/Support/MathExtras.h"

namespace tenon::cpu {
using namespace mlir;

/// Strides before a reshape from those after it: axes are grouped so that both sides of a group hold the same number of elements;
/// a group of several axes after the reshape must be dense.
static std::optional<SmallVector<nn::Dim>> beforeReshape(ArrayRef<nn::Dim> before, ArrayRef<nn::Dim> after, ArrayRef<nn::Dim> strides) {
  MLIRContext *ctx = strides.empty() ? nullptr : strides.front().context();
  if (!ctx)
    return std::nullopt;
  nn::Dim one = nn::Dim::constant(ctx, 1);
  SmallVector<nn::Dim> result(before.size());
  int i = before.size() - 1, j = after.size() - 1;
  while (i >= 0 || j >= 0) {
    if (i >= 0 && before[i].isConstant(1)) {
      result[i--] = one;
      continue;
    }
    if (j >= 0 && after[j].isConstant(1)) {
      --j;
      continue;
    }
    if (i < 0 || j < 0)
      return std::nullopt;
    int firstBefore = i, firstAfter = j;
    nn::Dim left = before[i], right = after[j];
    while (left != right) {
      // The side with fewer elements takes one more axis; sizes that cannot be compared take from the side that divides.
      bool takeLeft = right.dividedExactlyBy(left).has_value();
      if (takeLeft && firstBefore > 0)
        left = left * before[--firstBefore];
      else if (!takeLeft && firstAfter > 0)
        right = right * after[--firstAfter];
      else
        return std::nullopt;
    }
    for (int axis = j; axis > firstAfter; --axis)
      if (strides[axis - 1] != strides[axis] * after[axis] && !after[axis - 1].isConstant(1))
        return std::nullopt;
    nn::Dim stride = strides[j];
    for (int axis = i; axis >= firstBefore; --axis) {
      result[axis] = stride;
      stride = stride * before[axis];
    }
    i = firstBefore - 1;
    j = firstAfter - 1;
  }
  return result;
}

std::optional<SmallVector<nn::Dim>> storeStrides(Value source, kernel::FuncOp func) {
  if (!source.hasOneUse())
    return std::nullopt;
  Operation *user = *source.user_begin();
  if (isa<kernel::ReturnOp>(user))
    return func.resultStrides(source.use_begin()->getOperandNumber());
  if (!isa<nn::TransposeOp, nn::ReshapeOp>(user))
    return std::nullopt;
  auto after = storeStrides(user->getResult(0), func);
  if (!after)
    return std::nullopt;
  if (auto reshape = dyn_cast<nn::ReshapeOp>(user))
    return beforeReshape(nn::dimsOf(source.getType()), nn::dimsOf(reshape.getType()), *after);
  SmallVector<nn::Dim> before(after->size());
  for (auto [axis, from] : llvm::enumerate(cast<nn::TransposeOp>(user).getPerm()))
    before[from] = (*after)[axis];
  return before;
}

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
  SmallVector<nn::Dim> query = nn::dimsOf(p.op.getQuery().getType()), key = nn::dimsOf(p.op.getKey().getType());
  nn::Dim width = nn::dimOf(p.op.getValue().getType(), 3);
  std::optional<nn::Dim> share = query[1].dividedExactlyBy(key[1]);
  auto stores = storeStrides(p.op.getResult(), func);
  if (!query[3].isConstant() || !width.isConstant() || !share || !stores || !stores->back().isConstant(1))
    return std::nullopt;
  p.batch = query[0];
  p.heads = query[1];
  p.rows = query[2];
  p.keys = key[2];
  p.depth = *query[3].asConstant();
  p.width = *width.asConstant();
  p.headsPerKey = *share;
  p.stores = *stores;
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
  Builder b(ctx);
  NamedAttrList list;
  list.append("mr", b.getI64IntegerAttr(rows));
  list.append("nv", b.getI64IntegerAttr(vectors));
  list.append("sb", b.getI64IntegerAttr(rowBlock));
  list.append("tb", b.getI64IntegerAttr(keyBlock));
  list.append("tasks", b.getI64IntegerAttr(tasks));
  return kernel::ScheduleAttr::get(ctx, b.getStringAttr("attention"), list.getDictionary(ctx));
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
