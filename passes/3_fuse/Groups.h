// The grouping of a function's ops into kernels: who is with whom, and whether a step would tie a knot.
#pragma once
#include "passes/3_fuse/FusionRules.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/SetVector.h"

namespace tenon::fuse {

/// The attribute that kernel-form-groups leaves on ops and kernel-outline reads: an i64, the number of the group.
constexpr llvm::StringLiteral kGroupAttr = "kernel.group";

struct Group {
  mlir::Operation *anchor; // of an elementwise group: its first op
  llvm::SetVector<mlir::Operation *> ops;
};

/// Groups of the ops of one block. Invariant: contracted to its groups, the block stays acyclic.
class Grouping {
public:
  explicit Grouping(mlir::Block &block);

  /// The group's number, or -1.
  int groupOf(mlir::Operation *op) const;
  int size() const { return groups.size(); }
  Group &group(int index) { return groups[index]; }

  int create(mlir::Operation *anchor);
  /// Adds `ops` to the group unless that makes a cycle: some op outside then needs the group before the group needs it.
  bool add(int group, llvm::ArrayRef<mlir::Operation *> ops);
  /// Moves all ops of `from` into `to` unless that makes a cycle; `from` stays behind empty.
  bool merge(int to, int from);
  /// Adds a new op of the block, a copy that only ops of the group read, at the position of `next`.
  void adopt(int group, mlir::Operation *op, mlir::Operation *next);
  /// Whether something outside of `group` reads `value`.
  bool isReadOutside(mlir::Value value, int group) const;

private:
  bool makesCycle(const llvm::SetVector<mlir::Operation *> &ops, int ownGroup, int otherGroup) const;

  llvm::SmallVector<Group> groups;
  llvm::DenseMap<mlir::Operation *, int> numbers;
  llvm::DenseMap<mlir::Operation *, int64_t> positions;
  kernel::SizeDefinitions sizes;
};

} // namespace tenon::fuse
