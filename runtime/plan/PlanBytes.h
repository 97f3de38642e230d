// The bytes of a plan: a mapped file, a copy, or the caller's memory.
#pragma once

#include "runtime/support/Message.h"

#include <cstddef>
#include <cstdint>

namespace tenon {

class PlanBytes {
public:
  PlanBytes() = default;
  PlanBytes(const PlanBytes &) = delete;
  PlanBytes &operator=(const PlanBytes &) = delete;
  ~PlanBytes();

  /// Maps a regular file for reading. Errors: TN_IO.
  tn_status mapFile(const char *path, Message &message);
  /// Copies to page-aligned memory. Errors: TN_OUT_OF_MEMORY.
  tn_status copy(const void *bytes, size_t size, Message &message);
  /// Uses the caller's bytes, which must be aligned to 64.
  tn_status borrow(const void *bytes, size_t size, Message &message);

  const uint8_t *data() const { return bytes; }
  size_t size() const { return byteCount; }
  /// The mapped file, or -1. Open as long as closeFile has not been called.
  int file() const { return descriptor; }
  void closeFile();

private:
  const uint8_t *bytes = nullptr;
  size_t byteCount = 0;
  bool isMapping = false;
  int descriptor = -1;
};

} // namespace tenon
