// What the runners of a context share: where memory comes from, and how tensors move, in this process or on a GPU.
#pragma once

#include "runtime/cpu/ThreadPool.h"
#include "runtime/cuda/GpuContext.h"

namespace tenon {

struct RunnerShare {
  Memory &memory;
  ThreadPool &pool;
  Message &message;
  uint32_t maxLayouts;
  GpuContext *gpu; ///< null: the plan runs on the CPU

  /// Memory for tensors, where the steps run. `what` as for Memory::allocate.
  tn_status allocate(size_t bytes, size_t alignment, void **block, const char *what) const {
    return gpu ? gpu->allocate(bytes, block, what, message) : memory.allocate(bytes, alignment, block, what, message);
  }
  void release(void *block, size_t bytes) const {
    if (gpu)
      gpu->release(block, bytes);
    else
      memory.release(block, bytes);
  }
  /// Copies a tensor, after the steps before and before those that follow.
  tn_status copy(void *to, const void *from, size_t bytes) const {
    if (gpu)
      return gpu->copy(to, from, bytes, message);
    if (bytes)
      __builtin_memcpy(to, from, bytes);
    return TN_OK;
  }
  /// Copies what an operand of a step holds to this processor, which looks at it now: on a GPU, once all steps before have run.
  tn_status fetch(void *to, const void *from, size_t bytes) const {
    if (gpu)
      return gpu->fetch(to, from, bytes, message);
    __builtin_memcpy(to, from, bytes);
    return TN_OK;
  }
};

} // namespace tenon
