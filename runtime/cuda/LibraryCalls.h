// Kernels of a plan that libraries compute: opened and described when a context is made, queued like launches.
#pragma once

#include "runtime/cuda/Convolutions.h"
#include "runtime/cuda/Products.h"

struct tn_plan;

namespace tenon::cuda {

/// All with the GPU's context current.
class LibraryCalls {
public:
  /// Opens what the kernels of a plan and of those that it calls need, and has it choose its algorithms.
  /// Errors: TN_WRONG_TARGET (no such library, or it does not compute that), TN_DEVICE, TN_OUT_OF_MEMORY.
  tn_status start(const tn_plan &plan, Memory &memory, Message &message);
  /// Queues the call that kernel number `kernel` of the program is. `addresses` are those of the kernel's buffers.
  tn_status queue(uint32_t kernel, const plan::format::LibraryCall &call, void *const *addresses, StreamHandle stream, Message &message);
  void destroy();

private:
  tn_status startSteps(const tn_plan &plan, Message &message);

  Products products;
  Convolutions convolutions;
};

} // namespace tenon::cuda
