// Kernels of a plan that libraries compute: opened and described when a context is made, queued like launches.
#pragma once

#include "runtime/context/PreparedPlan.h"
#include "runtime/cuda/CublasLt.h"

namespace tenon::cuda {

class LibraryCalls {
public:
  /// With the GPU's context current: opens what the kernels of a plan and of those that it calls need, and has it choose its algorithms.
  /// Errors: TN_WRONG_TARGET (no such library, or it does not compute that), TN_DEVICE, TN_OUT_OF_MEMORY.
  tn_status start(const tn_plan &plan, Memory &memory, Message &message);
  /// With the GPU's context current.
  void destroy();
  /// Queues the call that kernel number `kernel` of the program is. `addresses` are those of the kernel's buffers.
  tn_status queue(uint32_t kernel, const plan::format::LibraryCall &call, void *const *addresses, StreamHandle stream, Message &message);

private:
  /// A product as cublasLt sees it: matrices by columns, so that factors change places.
  struct Product {
    lt::Product product;
    lt::Matrix left, right, added, result; ///< `added` is `result` where nothing is added
    lt::Algorithm algorithm;
    uint32_t workspace; ///< number of the buffer
  };

  tn_status startSteps(const tn_plan &plan, Message &message);
  tn_status describe(const plan::format::LibraryCall &call, Product &made, Message &message);
  tn_status chooseAlgorithm(const plan::format::LibraryCall &call, Product &made, Message &message);
  tn_status makeMatrix(const plan::format::LibraryTensor &tensor, lt::Matrix *matrix, Message &message);
  tn_status fail(lt::Status status, const char *what, Message &message) const;

  const lt::Library *library = nullptr;
  lt::Handle handle = nullptr;
  Array<Product> products; ///< by kernel of the program; of zeros where no library computes it
};

} // namespace tenon::cuda
