// The loops over a result: their order, how they are shared among tasks, which axis goes in vectors.
#pragma once
#include "passes/6_codegen/cpu/KernelBuilder.h"
#include "passes/6_codegen/cpu/LoopsEvaluator.h"

namespace tenon::cpu {

struct LoopNest {
  llvm::SmallVector<Index> sizes;
  llvm::SmallVector<unsigned> order; // axes, outermost first; axes of size 1 may be left out
  unsigned shared = 0;               // so many leading loops are one range that the tasks share
  int laneAxis = -1;                 // in vectors of `lanes`, the rest one by one; -1: none
  int lanes = 0;
  bool blocks = false;               // the lane axis too is shared, in blocks; only where it is the last in `order`
  int64_t block = 0;                 // elements of such a block
  bool overlaps = false;             // the last vector of a known size may compute lanes of the one before again

  /// Emits this task's share. `enter` is called before every loop with the indices that are known there (others are
  /// Evaluator::unknown()), `body` for every element or vector.
  void emit(KernelBuilder &b, Evaluator &scopes, llvm::function_ref<void(const Place &)> enter, llvm::function_ref<void(const Place &)> body) const;
};

/// The order of loops over a tensor of `dims` for up to `tasks` tasks. Loops of axes in `inner` stay innermost (their values
/// are computed from statistics of the whole axis) and are not shared. `reduces`: an element is a long reduction, so that few of them make a task.
LoopNest chooseNest(KernelBuilder &b, llvm::ArrayRef<nn::Dim> dims, llvm::ArrayRef<int> inner, int64_t tasks, int lanes, bool reduces = false);

/// How many tasks `work` elements of arithmetic are worth: one for each kTaskWork, at most `limit`.
nn::Dim tasksFor(nn::Dim work, int64_t limit);
/// Elements times operations that pay for handing out a task (about 10 us).
constexpr int64_t kTaskWork = 16384;

} // namespace tenon::cpu
