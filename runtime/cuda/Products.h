// Kernels of a plan that cublasLt computes.
#pragma once

#include "runtime/cuda/CublasLt.h"
#include "runtime/plan/PlanVerifier.h"
#include "runtime/support/Memory.h"

namespace tenon::cuda {

/// All with the GPU's context current.
class Products {
public:
  /// Opens the library, for so many kernels. Errors: TN_WRONG_TARGET, TN_DEVICE, TN_OUT_OF_MEMORY.
  tn_status open(uint32_t kernels, Memory &memory, Message &message);
  /// Describes a verified call of kernel number `kernel`, and has the library choose its algorithm. Once only for each. `workspace` is the number of
  /// its buffer.
  tn_status describe(uint32_t kernel, const plan::format::LibraryCall &call, uint32_t workspace, Message &message);
  bool isDescribed(uint32_t kernel) const { return products[kernel].product; }
  /// `addresses` are those of the kernel's buffers.
  tn_status queue(uint32_t kernel, const plan::format::LibraryCall &call, void *const *addresses, StreamHandle stream, Message &message);
  void destroy();

private:
  /// A product as cublasLt sees it: matrices by columns, so that factors change places.
  struct Product {
    lt::Product product;
    lt::Matrix left, right, added, result; ///< `added` is `result` where nothing is added
    lt::Algorithm algorithm;
    uint32_t workspace; ///< number of the buffer
  };

  tn_status chooseAlgorithm(const plan::format::LibraryCall &call, Product &made, Message &message);
  tn_status makeMatrix(const plan::format::LibraryTensor &tensor, lt::Matrix *matrix, Message &message);
  tn_status fail(lt::Status status, const char *what, Message &message) const;

  const lt::Library *library = nullptr;
  lt::Handle handle = nullptr;
  Array<Product> products; ///< by kernel; of zeros where cublasLt does not compute it
};

} // namespace tenon::cuda
