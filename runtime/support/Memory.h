// Memory that may run out: every allocation can fail, by value.
#pragma once

#include "runtime/support/Message.h"

#include <atomic>
#include <new>
#include <utility>

namespace tenon {

/// Allocates through the application's functions or the C library's, and counts. Thread safe if the functions are.
class Memory {
public:
  Memory() = default;
  Memory(const tn_allocator &allocator, size_t limit) : allocator(allocator), limit(limit) {}

  /// `what` names the use in the message: "the arena". Aligned to at least 64. Sizes of 0 give a pointer too.
  tn_status allocate(size_t bytes, size_t alignment, void **memory, const char *what, Message &message);
  /// Null is allowed.
  void release(void *memory, size_t bytes);
  /// Counts memory that comes from elsewhere, a GPU's, against the same limit; uncount undoes it.
  tn_status count(size_t bytes, const char *what, Message &message);
  void uncount(size_t bytes) { used.fetch_sub(bytes, std::memory_order_relaxed); }
  const tn_allocator &functions() const { return allocator; }
  size_t bytesInUse() const { return used.load(std::memory_order_relaxed); }

private:
  tn_allocator allocator = {nullptr, nullptr, nullptr};
  size_t limit = 0;
  std::atomic<size_t> used = 0;
};

/// The C library's memory, for what belongs to no context.
Memory &libraryMemory();

/// An array of `Memory`; trivially copyable elements, not initialised.
template <typename T> class Array {
public:
  Array() = default;
  Array(const Array &) = delete;
  Array &operator=(const Array &) = delete;
  ~Array() { reset(); }

  tn_status allocate(Memory &from, size_t elements, const char *what, Message &message) {
    reset();
    size_t bytes = 0;
    if (__builtin_mul_overflow(elements, sizeof(T), &bytes))
      return message.fail(TN_OUT_OF_MEMORY, "%s: %zu elements of %zu bytes are more than memory can hold", what, elements, sizeof(T));
    void *memory = nullptr;
    if (tn_status status = from.allocate(bytes, alignof(T), &memory, what, message))
      return status;
    owner = &from;
    elementsData = static_cast<T *>(memory);
    count = elements;
    return TN_OK;
  }
  void reset() {
    if (owner)
      owner->release(elementsData, count * sizeof(T));
    owner = nullptr;
    elementsData = nullptr;
    count = 0;
  }
  T *data() const { return elementsData; }
  size_t size() const { return count; }
  T &operator[](size_t index) const { return elementsData[index]; }
  T *begin() const { return elementsData; }
  T *end() const { return elementsData + count; }

private:
  Memory *owner = nullptr;
  T *elementsData = nullptr;
  size_t count = 0;
};

/// Makes an object in memory of `memory`; destroyObject undoes it.
template <typename T, typename... Arguments> tn_status createObject(Memory &memory, T **object, const char *what, Message &message, Arguments &&...arguments) {
  void *bytes = nullptr;
  if (tn_status status = memory.allocate(sizeof(T), alignof(T), &bytes, what, message))
    return status;
  *object = new (bytes) T(std::forward<Arguments>(arguments)...);
  return TN_OK;
}

template <typename T> void destroyObject(Memory &memory, T *object) {
  if (!object)
    return;
  object->~T();
  memory.release(object, sizeof(T));
}

} // namespace tenon
