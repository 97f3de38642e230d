#include "passes/3_fuse/Groups.h"

using namespace mlir;

namespace tenon::fuse {

Grouping::Grouping(Block &block) : sizes(block) {
  for (auto [position, op] : llvm::enumerate(block))
    positions[&op] = position;
}

int Grouping::groupOf(Operation *op) const {
  auto found = numbers.find(op);
  return found == numbers.end() ? -1 : found->second;
}

int Grouping::create(Operation *anchor) {
  groups.push_back({anchor, {}});
  groups.back().ops.insert(anchor);
  numbers[anchor] = groups.size() - 1;
  return groups.size() - 1;
}

bool Grouping::add(int group, ArrayRef<Operation *> ops) {
  llvm::SetVector<Operation *> extended = groups[group].ops;
  extended.insert(ops.begin(), ops.end());
  if (makesCycle(extended, group, group))
    return false;
  for (Operation *op : ops) {
    groups[group].ops.insert(op);
    numbers[op] = group;
  }
  return true;
}

bool Grouping::merge(int to, int from) {
  llvm::SetVector<Operation *> extended = groups[to].ops;
  extended.insert(groups[from].ops.begin(), groups[from].ops.end());
  if (makesCycle(extended, to, from))
    return false;
  for (Operation *op : groups[from].ops) {
    groups[to].ops.insert(op);
    numbers[op] = to;
  }
  groups[from].ops.clear();
  return true;
}

void Grouping::adopt(int group, Operation *op, Operation *next) {
  groups[group].ops.insert(op);
  numbers[op] = group;
  positions[op] = positions.lookup(next);
}

bool Grouping::isReadOutside(Value value, int group) const {
  return llvm::any_of(value.getUsers(), [&](Operation *user) { return groupOf(user) != group; });
}

/// Walks back from everything that `ops` read from outside; reaching one of `ops` again is a cycle. Ops before the first
/// of `ops` cannot reach them, groups that hold one after it are entered as a whole.
bool Grouping::makesCycle(const llvm::SetVector<Operation *> &ops, int ownGroup, int otherGroup) const {
  int64_t first = INT64_MAX;
  for (Operation *op : ops)
    first = std::min(first, positions.lookup(op));
  llvm::SmallPtrSet<Operation *, 32> seen;
  SmallVector<Operation *> work;
  bool reached = false;
  auto visit = [&](Operation *producer, bool inside) {
    if (!producer || (inside && ops.contains(producer)))
      return;
    reached |= ops.contains(producer);
    if (seen.insert(producer).second)
      work.push_back(producer);
  };
  auto visitOperands = [&](Operation *op, bool inside) {
    for (Value operand : op->getOperands())
      visit(operand.getDefiningOp(), inside);
    for (Operation *definer : sizes.of(op))
      visit(definer, inside);
  };
  for (Operation *op : ops)
    visitOperands(op, true);
  while (!work.empty() && !reached) {
    Operation *op = work.pop_back_val();
    int number = groupOf(op);
    if (number >= 0 && number != ownGroup && number != otherGroup) {
      const Group &other = groups[number];
      bool canReach = llvm::any_of(other.ops, [&](Operation *member) { return positions.lookup(member) > first; });
      if (canReach)
        for (Operation *member : other.ops)
          if (seen.insert(member).second || member == op)
            visitOperands(member, false);
    } else if (positions.lookup(op) > first) {
      visitOperands(op, false);
    }
  }
  return reached;
}

} // namespace tenon::fuse
