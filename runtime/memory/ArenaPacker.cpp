#include "runtime/memory/ArenaPacker.h"

#include "runtime/memory/Placement.h"

#include <algorithm>
#include <cstring>

namespace tenon {
namespace {

using namespace memory;

// Work of all packers together, in comparisons: about 0.3 s. Only the near-linear packer is exempt.
constexpr int64_t kPackerWork = 110'000'000;
// Small problems need no more orders than this: what those do not find is rarely there.
constexpr int64_t kSearchPasses = 2000;
// Above this count the packers that take n^2 steps a time for locality are left out.
constexpr size_t kWarmCount = 512;
constexpr size_t kBreadthCount = 2048;

/// Hands out arrays from the caller's scratch memory.
class Carver {
public:
  explicit Carver(void *memory) : next(static_cast<char *>(memory)) {}
  template <typename T> T *take(size_t count) {
    T *array = reinterpret_cast<T *>(next);
    next += (count * sizeof(T) + 15) & ~size_t(15);
    return array;
  }

private:
  char *next;
};

constexpr size_t kBytesPerItem = sizeof(Item) + sizeof(Placed) + 3 * sizeof(uint32_t) + 2 * sizeof(int64_t);
constexpr size_t kArrays = 7;

bool isWellFormed(const Lifetime &lifetime) {
  bool powerOfTwo = lifetime.alignment > 0 && (lifetime.alignment & (lifetime.alignment - 1)) == 0;
  return lifetime.bytes >= 0 && powerOfTwo && lifetime.first <= lifetime.last;
}

/// The largest sum of live bytes at any step: sweeps over births and deaths in order. Uses `order` and `keys`.
int64_t largestLiveSum(Problem &problem) {
  uint32_t *births = problem.order, *deaths = problem.keys;
  for (size_t i = 0; i < problem.count; ++i)
    births[i] = deaths[i] = uint32_t(i);
  std::sort(births, births + problem.count, [&](uint32_t a, uint32_t b) { return problem.items[a].first < problem.items[b].first; });
  std::sort(deaths, deaths + problem.count, [&](uint32_t a, uint32_t b) { return problem.items[a].last < problem.items[b].last; });
  int64_t live = 0, largest = 0;
  size_t died = 0;
  for (size_t i = 0; i < problem.count; ++i) {
    const Item &born = problem.items[births[i]];
    for (; problem.items[deaths[died]].last < born.first; ++died)
      live -= problem.items[deaths[died]].bytes;
    live += born.bytes;
    largest = std::max(largest, live);
  }
  return largest;
}

/// Brings the lifetimes into canonical form. False when one is malformed or the sum of all overflows (then no offset can).
bool makeProblem(std::span<const Lifetime> lifetimes, void *scratch, Problem &problem, int64_t &naiveBytes) {
  Carver carver(scratch);
  size_t count = lifetimes.size();
  problem.items = carver.take<Item>(count);
  problem.placed = carver.take<Placed>(count);
  problem.order = carver.take<uint32_t>(count);
  problem.bestOrder = carver.take<uint32_t>(count);
  problem.keys = carver.take<uint32_t>(count);
  problem.offsets = carver.take<int64_t>(count);
  problem.bestOffsets = carver.take<int64_t>(count);

  int64_t granularity = INT64_MAX;
  for (const Lifetime &lifetime : lifetimes) {
    if (!isWellFormed(lifetime))
      return false;
    if (lifetime.bytes > 0)
      granularity = std::min(granularity, lifetime.alignment);
  }
  problem.granularity = granularity == INT64_MAX ? 1 : granularity;

  naiveBytes = 0;
  int64_t reach = 0; // no offset can come to more than this, whatever the order
  for (size_t i = 0; i < count; ++i) {
    const Lifetime &lifetime = lifetimes[i];
    if (lifetime.bytes == 0)
      continue;
    int64_t bytes = 0;
    if (__builtin_add_overflow(lifetime.bytes, problem.granularity - 1, &bytes))
      return false;
    bytes &= -problem.granularity;
    if (__builtin_add_overflow(reach, bytes, &reach) || __builtin_add_overflow(reach, lifetime.alignment, &reach))
      return false;
    naiveBytes += bytes;
    problem.items[problem.count++] = {bytes, lifetime.alignment, lifetime.first, lifetime.last, uint32_t(i)};
  }
  problem.lowerBound = problem.count == 0 ? 0 : largestLiveSum(problem);
  return true;
}

template <typename Key> void sortDescending(Problem &problem, Key key) {
  for (size_t i = 0; i < problem.count; ++i)
    problem.order[i] = uint32_t(i);
  std::sort(problem.order, problem.order + problem.count, [&](uint32_t a, uint32_t b) {
    double left = key(problem.items[a]), right = key(problem.items[b]);
    if (left != right)
      return left > right;
    return problem.items[a].bytes != problem.items[b].bytes ? problem.items[a].bytes > problem.items[b].bytes : a < b;
  });
}

double duration(const Item &item) { return double(item.last) - double(item.first) + 1; }

/// The steps with the most live bytes first, and the items alive there by size (TFLite's greedy-by-breadth: Pisarchyk and Lee 2020, section 5.2).
void orderByBreadth(Problem &problem) {
  double *breadth = reinterpret_cast<double *>(problem.offsets); // largest live sum during the item's life, at births
  for (size_t i = 0; i < problem.count; ++i)
    breadth[i] = 0;
  for (size_t step = 0; step < problem.count; ++step) {
    uint32_t now = problem.items[step].first;
    auto alive = [&](const Item &item) { return item.first <= now && now <= item.last; };
    double live = 0;
    for (size_t i = 0; i < problem.count; ++i)
      live += alive(problem.items[i]) ? double(problem.items[i].bytes) : 0;
    for (size_t i = 0; i < problem.count; ++i)
      breadth[i] = alive(problem.items[i]) ? std::max(breadth[i], live) : breadth[i];
  }
  problem.work += int64_t(2 * problem.count * problem.count);
  sortDescending(problem, [&](const Item &item) { return breadth[&item - problem.items]; });
}

/// Runs one packer over the order it makes, within what is left of the work.
template <typename MakeOrder> void tryOrder(Problem &problem, Fit fit, const char *name, MakeOrder makeOrder) {
  int64_t passWork = int64_t(problem.count) * int64_t(problem.count) / 2;
  if (problem.best == problem.lowerBound || problem.work + passWork > kPackerWork)
    return;
  makeOrder();
  int64_t arena = 0;
  if (placeInOrder(problem, fit, problem.best - problem.granularity, arena) == kAllPlaced)
    keepIfSmaller(problem, arena, name);
}

void packSmallest(Problem &problem, int64_t searchWork) {
  auto bySize = [&] { sortDescending(problem, [](const Item &item) { return double(item.bytes); }); };
  auto byArea = [&] { sortDescending(problem, [](const Item &item) { return double(item.bytes) * duration(item); }); };
  auto byDuration = [&] { sortDescending(problem, duration); };
  auto byDeath = [&] { sortDescending(problem, [](const Item &item) { return double(item.last); }); };
  tryOrder(problem, Fit::Best, "size-best-fit", bySize);
  int64_t arena = 0;
  if (problem.best > problem.lowerBound && placeByFirstStep(problem, INT64_MAX, arena))
    keepIfSmaller(problem, arena, "lifetime-best-fit");
  tryOrder(problem, Fit::First, "area-first-fit", byArea);
  tryOrder(problem, Fit::First, "size-first-fit", bySize);
  if (problem.count <= kBreadthCount)
    tryOrder(problem, Fit::First, "breadth-first-fit", [&] { orderByBreadth(problem); });
  tryOrder(problem, Fit::First, "duration-first-fit", byDuration);
  tryOrder(problem, Fit::Best, "death-best-fit", byDeath);
  int64_t passWork = int64_t(problem.count) * int64_t(problem.count) / 2;
  if (passWork <= searchWork)
    improve(problem, std::min(searchWork, kSearchPasses * passWork));
}

/// Looks for a packing of the same size whose buffers follow each other in the same memory.
void packWarm(Problem &problem) {
  if (problem.count > kWarmCount)
    return;
  problem.bestWarmth = warmth(problem, problem.bestOffsets);
  auto consider = [&](bool complete, int64_t arena, const char *packer) {
    if (!complete || arena > problem.best)
      return;
    double value = warmth(problem, problem.offsets);
    if (value <= problem.bestWarmth)
      return;
    problem.bestWarmth = value;
    problem.packer = packer;
    std::memcpy(problem.bestOffsets, problem.offsets, problem.count * sizeof(int64_t));
  };
  int64_t arena = 0;
  bool complete = placeWarm(problem, problem.best, arena);
  consider(complete, arena, "warm");
  complete = placeByFirstStep(problem, problem.best, arena);
  consider(complete, arena, "lifetime-best-fit");
}

} // namespace

size_t arenaScratchBytes(size_t count) { return count * kBytesPerItem + kArrays * 16; }

bool packArena(std::span<const Lifetime> lifetimes, std::span<int64_t> offsets, void *scratch, ArenaPacking &packing, const ArenaPackOptions &options) {
  Problem problem;
  int64_t naiveBytes = 0;
  if (!makeProblem(lifetimes, scratch, problem, naiveBytes))
    return false;
  std::fill(offsets.begin(), offsets.end(), 0);
  packing = {0, problem.lowerBound, naiveBytes, "empty"};
  if (problem.count == 0)
    return true;
  packSmallest(problem, options.searchWork);
  packWarm(problem);
  for (size_t i = 0; i < problem.count; ++i)
    offsets[problem.items[i].id] = problem.bestOffsets[i];
  packing.arenaBytes = problem.best;
  packing.packer = problem.packer;
  return true;
}

bool measureLifetimes(std::span<const Lifetime> lifetimes, void *scratch, int64_t &lowerBound, int64_t &naiveBytes) {
  Problem problem;
  int64_t naive = 0;
  if (!makeProblem(lifetimes, scratch, problem, naive))
    return false;
  lowerBound = problem.lowerBound;
  naiveBytes = naive;
  return true;
}

} // namespace tenon
