// How much shared memory a launch asks for.
#pragma once

#include <algorithm>
#include <cstdint>

namespace tenon::cuda {

struct SharedLimits {
  uint32_t multiprocessors = 0, ofMultiprocessor = 0, ofBlock = 0; ///< bytes
};

/// At least `bytes`, and so much more that a multiprocessor takes no more than its share of `blocks`. A kernel that begins while another one ends would
/// otherwise put several blocks where that one has left first, and they would wait for each other there.
inline uint32_t spreadShared(const SharedLimits &limits, uint32_t bytes, uint64_t blocks) {
  constexpr uint32_t kReserved = 1024, kMost = 200 << 10, kUnit = 128; // of each block, by the driver; what leaves the L1 cache something
  if (!bytes || !limits.multiprocessors || !blocks)
    return bytes;
  uint64_t share = (blocks + limits.multiprocessors - 1) / limits.multiprocessors, room = limits.ofMultiprocessor / share;
  if (room <= kReserved)
    return bytes;
  room = std::min<uint64_t>({room - kReserved, kMost, limits.ofBlock}) / kUnit * kUnit;
  return std::max(bytes, uint32_t(room));
}

} // namespace tenon::cuda
