// Packs buffers with known lifetimes into one arena. Shared by the compiler (static shapes) and the runtime (shapes first seen at run time):
// no LLVM, no allocation of its own, no exceptions; the result depends on the input alone.
//
// Several packers run and the smallest arena wins; when it is above the lower bound a bounded local search tries to improve it. Among equal arenas the
// one that reuses the most recently freed memory wins, because that is still in cache.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace tenon {

/// A buffer that is alive at the steps first..last, both inclusive: two buffers may share memory only if these ranges do not meet.
struct Lifetime {
  int64_t bytes = 0;     ///< at least 0; a buffer of 0 bytes takes no room
  int64_t alignment = 1; ///< of its offset; a power of two
  uint32_t first = 0;
  uint32_t last = 0;     ///< at least `first`
};

/// What a packing comes to. Sizes count whole multiples of the smallest alignment that occurs: no layout can do with less than `lowerBound`.
struct ArenaPacking {
  int64_t arenaBytes = 0;
  int64_t lowerBound = 0;       ///< the largest sum of live bytes at any step
  int64_t naiveBytes = 0;       ///< the sum of all buffers: no reuse
  const char *packer = "empty"; ///< the packer that won; static
};

struct ArenaPackOptions {
  /// Limit of the local search above the lower bound, in comparisons of two buffers (about 1 ns each): bounded and the same on every machine.
  int64_t searchWork = 50'000'000;
};

/// Bytes of scratch memory that packing `count` buffers needs.
size_t arenaScratchBytes(size_t count);

/// Packs `lifetimes`; offsets[i] is where buffer i lies. `scratch` has arenaScratchBytes(count) bytes, aligned to 16.
/// False when sizes overflow 63 bits or a lifetime is malformed (negative size, alignment not a power of two, last < first); nothing is written then.
bool packArena(std::span<const Lifetime> lifetimes, std::span<int64_t> offsets, void *scratch, ArenaPacking &packing, const ArenaPackOptions &options = {});

/// The same with memory of its own.
inline bool packArena(std::span<const Lifetime> lifetimes, std::vector<int64_t> &offsets, ArenaPacking &packing, const ArenaPackOptions &options = {}) {
  offsets.assign(lifetimes.size(), 0);
  std::vector<std::max_align_t> scratch(arenaScratchBytes(lifetimes.size()) / sizeof(std::max_align_t) + 1);
  return packArena(lifetimes, std::span<int64_t>(offsets), scratch.data(), packing, options);
}

/// The largest sum of live bytes at any step and the sum of all, without packing. False as for packArena. `scratch` as there.
bool measureLifetimes(std::span<const Lifetime> lifetimes, void *scratch, int64_t &lowerBound, int64_t &naiveBytes);

} // namespace tenon
