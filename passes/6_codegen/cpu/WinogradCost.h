// What the cost models of Winograd convolutions share.
#pragma once
#include "llvm/ADT/SmallVector.h"

namespace tenon::cpu {

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
