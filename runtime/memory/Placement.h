// The parts of the arena packer: a problem in canonical form, and ways to place its buffers one by one.
#pragma once

#include <cstddef>
#include <cstdint>

namespace tenon::memory {

/// A buffer to place; `bytes` is above 0 and a multiple of the granularity.
struct Item {
  int64_t bytes;
  int64_t alignment;
  uint32_t first;
  uint32_t last;
  uint32_t id; ///< index in the caller's list
};

/// A buffer that has its place.
struct Placed {
  int64_t begin;
  int64_t end;
  uint32_t first;
  uint32_t last;
};

constexpr int64_t alignUp(int64_t value, int64_t alignment) { return (value + alignment - 1) & -alignment; }

/// The buffers, and room for `count` entries in every array. All of it lies in the caller's scratch memory.
struct Problem {
  size_t count = 0;
  int64_t granularity = 1; ///< the smallest alignment: every size and offset is a multiple of it
  int64_t lowerBound = 0;
  Item *items = nullptr;
  Placed *placed = nullptr;       ///< sorted by begin
  uint32_t *order = nullptr;      ///< the order that is being tried
  uint32_t *bestOrder = nullptr;  ///< the order that gave `best`
  uint32_t *keys = nullptr;       ///< free for use by a step
  int64_t *offsets = nullptr;     ///< the packing that is being tried, by item
  int64_t *bestOffsets = nullptr; ///< the smallest packing so far
  int64_t best = INT64_MAX;       ///< its arena
  double bestWarmth = 0;
  const char *packer = "none";
  int64_t work = 0; ///< comparisons made so far
};

enum class Fit {
  First, ///< the lowest offset that fits
  Best   ///< the smallest gap that fits
};

/// Nothing failed: the whole order was placed.
inline constexpr size_t kAllPlaced = SIZE_MAX;

/// Places the items in `problem.order`, each where `fit` says, into `problem.offsets`, within `limit` bytes. Sets `arena` and returns kAllPlaced,
/// or returns the position in the order of the first item that does not fit below the limit.
size_t placeInOrder(Problem &problem, Fit fit, int64_t limit, int64_t &arena);

/// Sets `order` to the order of first steps; larger items first among equals.
void orderByFirstStep(Problem &problem);

/// Places items in the order of their first step, best fit among those alive then: near-linear where few are alive at once. Overwrites `order`.
bool placeByFirstStep(Problem &problem, int64_t limit, int64_t &arena);

/// Like placeByFirstStep, but each item goes where it meets the most recently freed memory. Overwrites `order`.
bool placeWarm(Problem &problem, int64_t limit, int64_t &arena);

/// How much of the memory of the packing in `offsets` was used shortly before: the sum over items of bytes taken over from one that died, divided by its age in steps.
double warmth(Problem &problem, const int64_t *offsets);

/// Tries to bring `best` below its value, down to the lower bound at most, by moving items that do not fit to the front of the order.
/// Stops after `workLimit` comparisons.
void improve(Problem &problem, int64_t workLimit);

/// Keeps the packing in `offsets` if it is the smallest so far.
void keepIfSmaller(Problem &problem, int64_t arena, const char *packer);

} // namespace tenon::memory
