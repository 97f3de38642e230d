// Local search for a smaller arena: first fit is complete over orders (some order gives an optimal packing), so the search is for an order.
#include "runtime/memory/Placement.h"

#include <algorithm>
#include <cstring>

namespace tenon::memory {
namespace {

/// xorshift64*: the same sequence on every machine.
class Random {
public:
  uint64_t below(uint64_t bound) {
    state ^= state >> 12;
    state ^= state << 25;
    state ^= state >> 27;
    return (state * 0x2545F4914F6CDD1DULL >> 33) % bound;
  }

private:
  uint64_t state = 0x9E3779B97F4A7C15ULL;
};

void moveEarlier(uint32_t *order, size_t from, size_t to) { std::rotate(order + to, order + from, order + from + 1); }

} // namespace

void improve(Problem &problem, int64_t workLimit) {
  constexpr int kPatience = 48; // failures before the goal is eased, and before the order starts afresh
  const int64_t stop = problem.work + workLimit;
  Random random;
  int64_t goal = problem.lowerBound;
  int failures = 0;
  std::memcpy(problem.order, problem.bestOrder, problem.count * sizeof(uint32_t));
  while (problem.best > problem.lowerBound && problem.work < stop) {
    int64_t arena = 0;
    size_t failed = placeInOrder(problem, Fit::First, goal, arena);
    if (failed == kAllPlaced) {
      keepIfSmaller(problem, arena, "search");
      goal = problem.lowerBound;
      failures = 0;
      continue;
    }
    // The item that did not fit goes before some that were in its way; the very front now and then.
    if (failed > 0)
      moveEarlier(problem.order, failed, random.below(4) == 0 ? 0 : random.below(failed));
    if (++failures % kPatience != 0)
      continue;
    // Ease the goal half-way towards the smallest arena known; from there, start again at the bound.
    int64_t loosest = problem.best - problem.granularity;
    int64_t eased = goal + ((loosest - goal) / 2 & -problem.granularity);
    goal = eased == goal ? (goal == loosest ? problem.lowerBound : loosest) : eased;
    if (failures % (4 * kPatience) == 0)
      std::memcpy(problem.order, problem.bestOrder, problem.count * sizeof(uint32_t));
  }
}

} // namespace tenon::memory
