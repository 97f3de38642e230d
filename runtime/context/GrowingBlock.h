// Memory of a size that only a run knows.
#pragma once

#include "runtime/context/RunnerShare.h"

#include <algorithm>

namespace tenon {

/// A block that grows when a run needs more than any before; what it held is lost then.
struct GrowingBlock {
  uint8_t *data;
  size_t bytes;
  size_t alignment;

  bool holds(const void *address) const { return uintptr_t(address) - uintptr_t(data) < bytes; }

  tn_status reserve(size_t needed, size_t needsAlignment, const RunnerShare &share, const char *what) {
    if (data && needed <= bytes && needsAlignment <= alignment)
      return TN_OK;
    // Half as much again, so that sizes that creep up do not allocate in every run.
    size_t wanted = std::max(needed, data ? std::min(needed + needed / 2, SIZE_MAX / 2) : needed);
    release(share);
    void *block = nullptr;
    tn_status status = share.allocate(wanted, needsAlignment, &block, what);
    if (status && wanted > needed)
      status = share.allocate(wanted = needed, needsAlignment, &block, what);
    if (status)
      return status;
    *this = {static_cast<uint8_t *>(block), wanted, std::max<size_t>(64, needsAlignment)};
    return TN_OK;
  }

  /// Grows and keeps the first `held` bytes.
  tn_status grow(size_t needed, size_t held, const RunnerShare &share, const char *what) {
    if (data && needed <= bytes)
      return TN_OK;
    GrowingBlock old = *this;
    *this = {nullptr, 0, 0};
    // Twice as much, so that a loop that adds to it moves it few times.
    if (tn_status status = reserve(std::max(needed, std::min(2 * old.bytes, SIZE_MAX / 4)), 64, share, what)) {
      old.release(share);
      return status;
    }
    tn_status status = share.copy(data, old.data, held);
    old.release(share);
    return status;
  }

  void release(const RunnerShare &share) {
    share.release(data, bytes);
    *this = {nullptr, 0, 0};
  }
};

} // namespace tenon
