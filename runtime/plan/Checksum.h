// The checksum of plan files: XXH64 with seed 0 (https://github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md).
#pragma once

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace tenon::plan {

inline uint64_t checksum(const void *bytes, size_t size) { return XXH64(bytes, size, 0); }

/// The checksum of bytes that come in pieces.
class Checksum {
public:
  Checksum() { XXH64_reset(&state, 0); }
  void add(const void *bytes, size_t size) { XXH64_update(&state, bytes, size); }
  uint64_t value() const { return XXH64_digest(&state); }

private:
  XXH64_state_t state;
};

} // namespace tenon::plan
