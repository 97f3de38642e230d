// Memory between two pages that cannot be touched: generated code has no instrumentation, but an access outside its tensors ends the process.
#pragma once
#include <cstdint>
#include <cstdlib>
#include <sys/mman.h>

namespace tenon::fuzz {

constexpr size_t kPage = 4096;
inline size_t roundUp(size_t value, size_t unit) { return (value + unit - 1) / unit * unit; }

/// Ends where the page behind it starts, up to the alignment; null where there is no memory. Contents are zero.
inline void *allocateGuarded(size_t bytes, size_t alignment) {
  size_t taken = roundUp(bytes ? bytes : 1, alignment), pages = roundUp(taken, kPage);
  void *mapped = mmap(nullptr, pages + 2 * kPage, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (mapped == MAP_FAILED)
    return nullptr;
  char *start = static_cast<char *>(mapped) + kPage;
  if (mprotect(start, pages, PROT_READ | PROT_WRITE))
    abort();
  return start + pages - taken;
}

inline void releaseGuarded(void *memory, size_t bytes) {
  auto address = reinterpret_cast<uintptr_t>(memory);
  char *start = reinterpret_cast<char *>(address / kPage * kPage);
  munmap(start - kPage, roundUp(address % kPage + (bytes ? bytes : 1), kPage) + 2 * kPage);
}

/// A tensor's memory, of its exact size.
class GuardedBytes {
public:
  GuardedBytes(size_t bytes, size_t alignment) : memory(allocateGuarded(bytes, alignment)), bytes(bytes) {}
  GuardedBytes(GuardedBytes &&other) : memory(other.memory), bytes(other.bytes) { other.memory = nullptr; }
  ~GuardedBytes() {
    if (memory)
      releaseGuarded(memory, bytes);
  }
  uint8_t *data() const { return static_cast<uint8_t *>(memory); }

private:
  void *memory;
  size_t bytes;
};

} // namespace tenon::fuzz
