// What the gate of squeeze-and-excitation computes, and what a block has of it.
#pragma once
#include "passes/6_codegen/gpu/Families.h"

namespace tenon::gpu {

struct GateProblem {
  static constexpr int64_t kWarp = 32, kShares = 4; // threads; of a result
  static constexpr int64_t kFewThreads = 256, kMostThreads = 512, kMostImages = 64;
  static constexpr int64_t kLanes = 4, kMostColumns = 8; // sums that a thread adds up; columns of a right operand
  static constexpr int64_t kChunk = 8, kChunkBytes = 16, kFragmentRows = 16, kFragmentDepth = 16, kPairBytes = 8;

  nn::ConvOp squeeze, excite;
  nn::ReduceOp sums; // of what the row is a mean; null where it is in memory
  llvm::SmallVector<mlir::Operation *> between;
  int64_t images = 1, channels = 0, hidden = 0, results = 0;
  bool bfloat = false;
  int64_t rowsOfSums = 0;          // of an image; 0 where the row is in memory
  int64_t threads = 0, rounds = 0; // of a block; results of a thread

  /// None where the family does not compute `func`.
  static std::optional<GateProblem> of(kernel::FuncOp func, const Target &target);
  void take(kernel::ScheduleAttr schedule) {
    threads = schedule.get("threads", kFewThreads);
    rounds = schedule.get("rounds", 1);
  }
  int64_t warps() const { return threads / kWarp; }
  int64_t resultsOfBlock() const { return rounds * threads / kShares; }
  int64_t blocksOfImage() const { return llvm::divideCeil(results, resultsOfBlock()); }
  int64_t quads() const { return chunks() * kChunk / kLanes; }
  /// Threads that have parts of the same channels.
  int64_t columns() const { return rowsOfSums ? std::clamp<int64_t>(threads / quads(), 1, std::min(kMostColumns, rowsOfSums)) : 1; }
  int64_t hiddenRows() const { return llvm::alignTo(hidden, kFragmentRows); }
  int64_t steps() const { return llvm::divideCeil(channels, kFragmentDepth); }
  int64_t chunks() const { return steps() * kFragmentDepth / kChunk; } // of a row of weights, zeros at its end included
  int64_t pitch() const { return (chunks() | 1) * kChunkBytes; }       // odd: eight rows lie in different banks
  int64_t rowAt() const { return hiddenRows() * pitch(); }             // behind the weights of the first product
  int64_t partsAt() const { return rowAt() + columns() * pitch(); }    // what each warp has of the few
  int64_t hiddenAt() const { return partsAt() + warps() * hiddenRows() * kPairBytes; }
  int64_t sharedBytes() const { return hiddenAt() + hiddenRows() * kPairBytes; }
};

} // namespace tenon::gpu
