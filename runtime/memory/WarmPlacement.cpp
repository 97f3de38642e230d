// Prefers memory that was freed a moment ago, because it is still in cache.
#include "runtime/memory/Placement.h"

#include <algorithm>

namespace tenon::memory {
namespace {

/// What `item` gains at `begin` from `other`, which lies at [otherBegin, otherEnd) and died before it.
double gain(const Item &item, int64_t begin, uint32_t otherLast, int64_t otherBegin, int64_t otherEnd) {
  int64_t shared = std::min(begin + item.bytes, otherEnd) - std::max(begin, otherBegin);
  if (otherLast >= item.first || shared <= 0)
    return 0;
  return double(shared) / double(item.first - otherLast);
}

/// The best gain of `item` at `begin`; -1 when one that lives with it is in the way.
double gainAt(Problem &problem, const Item &item, int64_t begin, size_t placedCount) {
  double best = 0;
  for (size_t i = 0; i < placedCount; ++i) {
    const Placed &other = problem.placed[i];
    bool alive = other.last >= item.first && other.first <= item.last;
    if (alive && begin < other.end && other.begin < begin + item.bytes)
      return -1;
    best = std::max(best, gain(item, begin, other.last, other.begin, other.end));
  }
  problem.work += int64_t(placedCount);
  return best;
}

} // namespace

double warmth(Problem &problem, const int64_t *offsets) {
  double sum = 0;
  for (size_t i = 0; i < problem.count; ++i) {
    double best = 0;
    for (size_t j = 0; j < problem.count; ++j)
      best = std::max(best, gain(problem.items[i], offsets[i], problem.items[j].last, offsets[j], offsets[j] + problem.items[j].bytes));
    sum += best;
  }
  problem.work += int64_t(problem.count * problem.count);
  return sum;
}

bool placeWarm(Problem &problem, int64_t limit, int64_t &arena) {
  constexpr size_t kRecent = 16; // how many of the items that died last offer their place
  orderByFirstStep(problem);
  arena = 0;
  for (size_t position = 0; position < problem.count; ++position) {
    uint32_t index = problem.order[position];
    const Item &item = problem.items[index];
    int64_t bestBegin = -1;
    double bestGain = -1;
    auto consider = [&](int64_t begin) {
      if (begin < 0 || begin + item.bytes > limit)
        return;
      double here = gainAt(problem, item, begin, position);
      if (here > bestGain || (here == bestGain && here >= 0 && begin < bestBegin)) {
        bestGain = here;
        bestBegin = begin;
      }
    };
    consider(0);
    // Places next to those alive, and on top of those that died most recently.
    size_t recent = 0;
    for (size_t i = position; i-- > 0;) {
      const Placed &other = problem.placed[i];
      if (other.last < item.first && ++recent > kRecent)
        continue;
      consider(alignUp(other.begin, item.alignment));
      consider(alignUp(other.end, item.alignment));
      consider((other.begin - item.bytes) & -item.alignment);
      consider((other.end - item.bytes) & -item.alignment);
    }
    if (bestBegin < 0)
      return false;
    problem.placed[position] = {bestBegin, bestBegin + item.bytes, item.first, item.last};
    problem.offsets[index] = bestBegin;
    arena = std::max(arena, bestBegin + item.bytes);
  }
  return true;
}

} // namespace tenon::memory
