#include "passes/3_fuse/RowSums.h"
#include "dialects/kernel/ProductMarks.h"
#include "mlir/IR/IRMapping.h"

using namespace mlir;

namespace tenon::fuse {

static bool isRowValue(Operation *op) { return op && op->hasAttr(kernel::kRowValueAttr); }

bool isOfRows(Operation *op) { return isRowValue(op) || op->hasAttr(kernel::kRowSumsAttr); }

/// `op` and the marked ops that read it, those it needs first.
static void collectSums(Operation *op, llvm::SetVector<Operation *> &sums) {
  if (!op->hasAttr(kernel::kRowSumsAttr) || !sums.insert(op))
    return;
  for (Operation *user : op->getUsers())
    collectSums(user, sums);
}

void takeRowSums(Grouping &grouping, int group) {
  Group &own = grouping.group(group);
  if (anchorOf(own.anchor) != Anchor::Contraction)
    return;
  llvm::SetVector<Operation *> sums;
  for (Operation *op : own.ops)
    for (Operation *user : op->getUsers())
      collectSums(user, sums);
  if (!sums.empty())
    grouping.add(group, sums.getArrayRef());
}

/// Right before `reader`, which they are for.
static Value copyRowValue(Grouping &grouping, int group, Value value, Operation *reader, IRMapping &copies) {
  Operation *op = value.getDefiningOp();
  if (!isRowValue(op))
    return value;
  if (Value known = copies.lookupOrNull(value))
    return known;
  IRMapping operands;
  for (Value operand : op->getOperands())
    operands.map(operand, copyRowValue(grouping, group, operand, reader, copies));
  OpBuilder builder(reader);
  Operation *copy = builder.clone(*op, operands);
  grouping.adopt(group, copy, reader);
  copies.map(value, copy->getResult(0));
  return copy->getResult(0);
}

void takeRowValues(Grouping &grouping, int group) {
  if (anchorOf(grouping.group(group).anchor) != Anchor::Contraction)
    return;
  SmallVector<Operation *> ops(grouping.group(group).ops.begin(), grouping.group(group).ops.end());
  llvm::sort(ops, [](Operation *a, Operation *b) { return a->isBeforeInBlock(b); });
  IRMapping copies; // of the group: the first reader comes before the others
  for (Operation *op : ops)
    for (OpOperand &operand : op->getOpOperands())
      operand.set(copyRowValue(grouping, group, operand.get(), op, copies));
}

} // namespace tenon::fuse
