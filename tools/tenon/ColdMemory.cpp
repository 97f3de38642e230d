#include "tools/tenon/ColdMemory.h"

#if defined(__x86_64__)
#include <emmintrin.h>
#endif

namespace tenon::driver {

void evictFromCaches(const void *memory, size_t bytes) {
  constexpr size_t kLine = 64; // of every machine we compile for
  const char *start = static_cast<const char *>(memory);
  for (size_t offset = 0; offset < bytes; offset += kLine) {
#if defined(__x86_64__)
    _mm_clflush(start + offset);
#elif defined(__aarch64__)
    asm volatile("dc civac, %0" ::"r"(start + offset) : "memory");
#endif
  }
#if defined(__x86_64__)
  _mm_mfence();
#elif defined(__aarch64__)
  asm volatile("dsb sy" ::: "memory");
#endif
}

} // namespace tenon::driver
