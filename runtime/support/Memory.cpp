#include "runtime/support/Memory.h"

#include <cstdlib>
#include <sys/mman.h>

namespace tenon {
namespace {

constexpr size_t kMinimumAlignment = 64;
constexpr size_t kHugePageBytes = size_t(2) << 20;

void *allocateFromLibrary(size_t bytes, size_t alignment) {
  // Large arenas go on huge pages where the system gives them: fewer misses of the address cache.
  bool huge = bytes >= 2 * kHugePageBytes;
  if (huge)
    alignment = kHugePageBytes;
  void *memory = nullptr;
  if (posix_memalign(&memory, alignment, bytes) != 0)
    return nullptr;
  if (huge)
    madvise(memory, bytes & ~(kHugePageBytes - 1), MADV_HUGEPAGE);
  return memory;
}

} // namespace

Memory &libraryMemory() {
  static constinit Memory memory;
  return memory;
}

tn_status Memory::count(size_t bytes, const char *what, Message &message) {
  if (limit && (bytes > limit || bytesInUse() > limit - bytes))
    return message.fail(TN_LIMIT, "%s needs %zu bytes, which with the %zu in use is above the context's limit of %zu (max_bytes)", what, bytes, bytesInUse(), limit);
  used.fetch_add(bytes, std::memory_order_relaxed);
  return TN_OK;
}

tn_status Memory::allocate(size_t bytes, size_t alignment, void **memory, const char *what, Message &message) {
  bytes = bytes ? bytes : 1;
  alignment = alignment < kMinimumAlignment ? kMinimumAlignment : alignment;
  if (tn_status status = count(bytes, what, message))
    return status;
  *memory = allocator.allocate ? allocator.allocate(allocator.user, bytes, alignment) : allocateFromLibrary(bytes, alignment);
  if (*memory)
    return TN_OK;
  uncount(bytes);
  return message.fail(TN_OUT_OF_MEMORY, "no memory for %s (%zu bytes)", what, bytes);
}

void Memory::release(void *memory, size_t bytes) {
  if (!memory)
    return;
  bytes = bytes ? bytes : 1;
  uncount(bytes);
  if (allocator.release)
    allocator.release(allocator.user, memory, bytes);
  else
    free(memory);
}

} // namespace tenon
