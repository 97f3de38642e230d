// Schedules that a tuner tries beside those that the cost model chooses from: tiles of other widths, and as many stages as a block has steps, where
// all copies begin at once. How long these take depends on what runs before and after them more than a cost model knows.
#include "passes/6_codegen/gpu/MatrixCost.h"
#include "passes/6_codegen/gpu/MatrixResident.h"

namespace tenon::gpu {
using namespace mlir;

namespace {
constexpr int64_t kMostSplits = 8;

/// As many stages as the block has steps, or else as leave room on the multiprocessor for a block of the next kernel.
SmallVector<int64_t> stageCounts(const MatrixSchedule &s, const MatrixProblem &p, int64_t most) {
  constexpr int64_t kBesideNext = 110 << 10, kFewest = 3, kAheadOfRounds = 2;
  SmallVector<int64_t> counts;
  int64_t all = s.stepsOfBlock(p.steps(s)), beside = kBesideNext / s.stageBytes() / s.round * s.round;
  if (all * s.stageBytes() <= most)
    counts.push_back(all);
  if (beside < all && beside >= std::max(kFewest, kAheadOfRounds * s.round))
    counts.push_back(beside);
  return counts;
}

void addWithStages(MatrixSchedule s, const MatrixProblem &p, int64_t mostBytes, SmallVectorImpl<MatrixSchedule> &out) {
  for (int64_t stages : stageCounts(s, p, mostBytes)) {
    s.stages = stages;
    if (s.sharedBytes() + p.scaleBytes(s) <= mostBytes)
      out.push_back(s);
  }
}

void addGroups(const MatrixProblem &p, SmallVectorImpl<MatrixSchedule> &out) {
  constexpr int64_t kWide = 128, kMostRounds = 2, kMostGroups = 4;
  for (int64_t rows : {64, 128})
    for (int64_t columns : {16, 32, 48, 64, 96, 128})
      for (int64_t depth = 1; depth * rows / MatrixSchedule::kGroupRows <= kMostGroups; depth *= 2)
        for (int64_t round = 1; round <= (p.isNarrow() ? 1 : kMostRounds); ++round)
          for (int64_t splits = 1; splits <= kMostSplits; splits *= 2) {
            MatrixSchedule s{rows, columns, rows / 16, 1, depth, 1, splits, /*direct=*/false, /*groups=*/true, round};
            bool isNeedless = (splits > 1 && p.steps(s) < 2 * splits) || columns >= 2 * p.columns || (columns == kWide && depth > 2);
            if (!isNeedless)
              addWithStages(s, p, kSharedOfBlock, out);
          }
}

void addStaged(const MatrixProblem &p, const Target &target, SmallVectorImpl<MatrixSchedule> &out) {
  struct Tile {
    int64_t rows, columns, warpRows, warpColumns;
  };
  static constexpr Tile kTiles[] = {{32, 32, 2, 1}, {32, 64, 1, 4}, {64, 32, 4, 1}, {64, 64, 4, 2}};
  constexpr int kFirstWithClusters = 90;
  for (const Tile &tile : kTiles)
    for (int64_t depth : {1, 2, 4})
      for (int64_t splits = 1; splits <= (target.computeCapability >= kFirstWithClusters ? kMostSplits : 1); splits *= 2) {
        MatrixSchedule s{tile.rows, tile.columns, tile.warpRows, tile.warpColumns, depth, 1, splits};
        if (splits == 1 || p.steps(s) >= 2 * splits)
          addWithStages(s, p, sharedLimit(target), out);
      }
}
} // namespace

SmallVector<MatrixSchedule> otherSchedules(const MatrixProblem &p, const Target &target) {
  constexpr int kWithGroups = 90;
  SmallVector<MatrixSchedule> schedules;
  bool isGathered = p.channels % MatrixSchedule::kChunk != 0;
  if (isGathered || target.computeCapability < kFirstWithAsyncCopies)
    return schedules;
  if (target.computeCapability == kWithGroups && target.archSpecific && !p.scale && !p.inParts && !p.ofRun)
    addGroups(p, schedules);
  addStaged(p, target, schedules);
  llvm::append_range(schedules, mappedResidentSchedules(p, target));
  return schedules;
}

} // namespace tenon::gpu
