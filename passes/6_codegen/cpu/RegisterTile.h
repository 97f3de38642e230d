// The cost of a register tile of multiply-adds, for the models that choose schedules.
#pragma once
#include "lib/Target/Target.h"
#include "llvm/Support/MathExtras.h"
#include <algorithm>

namespace tenon::cpu {

/// What weights arrive with in one core's second-level cache, through the prefetches that it can have under way: 3 to 5 were measured.
constexpr double kColdBytesPerCycle = 4;

/// Whether rows x vectors accumulators and what one step reads fit into the registers.
inline bool fitsRegisters(const Target &target, int64_t rows, int64_t vectors) {
  if (rows == 1) // the right operand is a memory operand of the multiply-add
    return vectors <= target.vectorRegisters / 2;
  // In a tile of one vector a broadcast element is read once, and LLVM adds into its register: the sums move through the registers from step to
  // step, and are spilled where fewer than these are free. 9 rows of 16 registers came out clean, 13 rows with 10 spills for 52 multiply-adds.
  constexpr int64_t kMovingSums = 5;
  return rows * vectors + vectors + 1 + (vectors == 1 ? kMovingSums : 0) <= target.vectorRegisters;
}

/// Steps of the depth loop at once where rows are packed. Tiles of 12 accumulators gain 4 % by eight, tiles of 24 and more lose as much.
inline int64_t packedUnroll(const Target &target) { return target.vectorRegisters >= 32 ? 4 : 8; }

/// Cycles of one tile over `steps` products: the multiply-add pipes, the load pipes, the second-level cache that the right operand comes
/// from, or the latency of a chain of sums, whichever is slowest.
inline double registerTileCycles(int64_t rows, int64_t vectors, int64_t steps) {
  constexpr double kPerCycle = 2, kLatency = 4.5, kTileOverhead = 24, kStoreCycles = 2, kFetchCycles = 2;
  constexpr int64_t kEnoughAccumulators = 8;
  double splits = std::clamp<double>(llvm::divideCeil(kEnoughAccumulators, std::max<int64_t>(1, rows * vectors)), 1, 4);
  double fetch = rows > 1 ? vectors * kFetchCycles : 0; // a single row streams its panel from further away, whatever the tile
  double step = std::max({rows * vectors / kPerCycle, (rows + vectors) / kPerCycle, fetch, kLatency / splits});
  return step * steps + kTileOverhead + kStoreCycles * rows * vectors;
}

/// Cycles of all tiles of `total` rows, cut into parts of at most `rows` that differ by one row.
inline double balancedTileCycles(int64_t total, int64_t rows, int64_t vectors, int64_t steps) {
  int64_t tiles = std::max<int64_t>(1, llvm::divideCeil(total, rows)), low = total / tiles, larger = total % tiles;
  return larger * registerTileCycles(low + 1, vectors, steps) + (tiles - larger) * registerTileCycles(low, vectors, steps);
}

} // namespace tenon::cpu
