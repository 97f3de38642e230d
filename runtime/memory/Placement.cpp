#include "runtime/memory/Placement.h"

#include <algorithm>
#include <cstring>

namespace tenon::memory {
namespace {

bool meets(const Item &item, const Placed &other) { return (item.first <= other.last) & (other.first <= item.last); }

/// Finds room for `item` between the placed items that live when it lives.
int64_t findRoom(const Item item, const Placed *placed, size_t count, Fit fit) {
  int64_t cursor = 0; // end of the memory taken so far
  int64_t bestOffset = -1;
  int64_t bestGap = INT64_MAX;
  for (size_t i = 0; i < count; ++i) {
    const Placed &other = placed[i];
    bool alive = meets(item, other);
    int64_t gap = other.begin - cursor;
    if (alive & (gap >= item.bytes)) {
      int64_t offset = alignUp(cursor, item.alignment);
      bool fits = other.begin - offset >= item.bytes;
      if (fits && fit == Fit::First)
        return offset;
      if (fits && gap < bestGap) {
        bestOffset = offset;
        bestGap = gap;
      }
    }
    cursor = (alive & (other.end > cursor)) ? other.end : cursor;
  }
  return bestOffset >= 0 ? bestOffset : alignUp(cursor, item.alignment);
}

void insertSorted(Placed *placed, size_t count, const Placed &entry) {
  Placed *at = std::upper_bound(placed, placed + count, entry, [](const Placed &a, const Placed &b) { return a.begin < b.begin; });
  std::memmove(at + 1, at, size_t(placed + count - at) * sizeof(Placed));
  *at = entry;
}

} // namespace

size_t placeInOrder(Problem &problem, Fit fit, int64_t limit, int64_t &arena) {
  arena = 0;
  for (size_t position = 0; position < problem.count; ++position) {
    uint32_t index = problem.order[position];
    const Item &item = problem.items[index];
    int64_t offset = findRoom(item, problem.placed, position, fit);
    problem.work += int64_t(position) + 1;
    int64_t end = offset + item.bytes;
    if (end > limit)
      return position;
    insertSorted(problem.placed, position, {offset, end, item.first, item.last});
    problem.offsets[index] = offset;
    arena = std::max(arena, end);
  }
  return kAllPlaced;
}

void orderByFirstStep(Problem &problem) {
  for (size_t i = 0; i < problem.count; ++i)
    problem.order[i] = uint32_t(i);
  std::sort(problem.order, problem.order + problem.count, [&](uint32_t a, uint32_t b) {
    const Item &left = problem.items[a], &right = problem.items[b];
    if (left.first != right.first)
      return left.first < right.first;
    return left.bytes != right.bytes ? left.bytes > right.bytes : a < b;
  });
}

bool placeByFirstStep(Problem &problem, int64_t limit, int64_t &arena) {
  orderByFirstStep(problem);
  arena = 0;
  size_t alive = 0;
  for (size_t position = 0; position < problem.count; ++position) {
    uint32_t index = problem.order[position];
    const Item &item = problem.items[index];
    auto dead = [&](const Placed &other) { return other.last < item.first; };
    alive = size_t(std::remove_if(problem.placed, problem.placed + alive, dead) - problem.placed);
    int64_t offset = findRoom(item, problem.placed, alive, Fit::Best);
    problem.work += int64_t(alive) + 1;
    int64_t end = offset + item.bytes;
    if (end > limit)
      return false;
    insertSorted(problem.placed, alive++, {offset, end, item.first, item.last});
    problem.offsets[index] = offset;
    arena = std::max(arena, end);
  }
  return true;
}

void keepIfSmaller(Problem &problem, int64_t arena, const char *packer) {
  if (arena >= problem.best)
    return;
  problem.best = arena;
  problem.packer = packer;
  std::memcpy(problem.bestOffsets, problem.offsets, problem.count * sizeof(int64_t));
  std::memcpy(problem.bestOrder, problem.order, problem.count * sizeof(uint32_t));
}

} // namespace tenon::memory
