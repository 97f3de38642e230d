// Memory as a run finds it that comes after others: not in the caches.
#pragma once
#include <cstddef>

namespace tenon::driver {

/// Writes `bytes` bytes from `memory` on back and drops them from all caches of the machine. Reads nothing; any mapped memory will do.
void evictFromCaches(const void *memory, size_t bytes);

} // namespace tenon::driver
