// What the cost models of Winograd convolutions share.
#pragma once
#include "passes/6_codegen/cpu/ContractionSchedule.h"
#include "llvm/ADT/SmallVector.h"
#include <limits>

namespace tenon::cpu {

/// A schedule and what it takes.
template <typename Schedule>
struct WinogradChoice {
  Schedule schedule;
  double cycles = std::numeric_limits<double>::infinity();
};

/// The best of the register tiles that `fits(rows, vectors)` allows, with tiles and with columns shared between cores: `fill(rows, vectors, splitColumns)`
/// makes the schedule, `cost` counts its cycles. Of equal ones that with more vectors.
template <typename Schedule, typename Fits, typename Fill, typename Cost>
WinogradChoice<Schedule> bestTile(const Target &target, int64_t columns, int64_t mostVectors, Fits fits, Fill fill, Cost cost) {
  WinogradChoice<Schedule> found;
  constexpr int64_t kMostRows = 14;
  int64_t lanes = target.lanes(32);
  for (int64_t vectors = 1; vectors <= mostVectors; ++vectors)
    for (int64_t rows = 2; rows <= kMostRows; ++rows) {
      if (!fits(target, rows, vectors) || (vectors > 1 && (vectors - 1) * lanes >= columns))
        continue;
      for (bool splitColumns : {false, true}) {
        if (splitColumns && target.cores <= 1)
          continue;
        Schedule s = fill(rows, vectors, splitColumns);
        double cycles = cost(s);
        if (cycles < found.cycles || (cycles == found.cycles && vectors > found.schedule.vectors))
          found = {s, cycles};
      }
    }
  return found;
}

/// The schedules of `choices`, the best one first, each followed by the same with other numbers of tiles in a block.
template <typename Choice, typename Schedule>
void listWithBlocks(const llvm::SmallVectorImpl<Choice> &choices, llvm::SmallVectorImpl<Schedule> &out) {
  for (const Choice &choice : choices) {
    out.push_back(choice.schedule);
    for (int64_t tiles : {12, 24, 36, 48})
      if (tiles != choice.schedule.tiles) {
        out.push_back(choice.schedule);
        out.back().tiles = tiles;
      }
  }
}

} // namespace tenon::cpu
