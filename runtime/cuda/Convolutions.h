// Kernels of a plan that cuDNN computes: a convolution and what follows it, one graph of its backend.
#pragma once

#include "runtime/cuda/ConvolutionGraph.h"
#include "runtime/support/Memory.h"

namespace tenon::cuda {

/// All with the GPU's context current.
class Convolutions {
public:
  /// Opens the library, for so many kernels. Errors: TN_WRONG_TARGET, TN_DEVICE, TN_OUT_OF_MEMORY.
  tn_status open(uint32_t kernels, Memory &memory, Message &message);
  /// Describes a verified call of kernel number `kernel`, and has the library make a plan for it, which may compile. Once only for each. `workspace`
  /// is the number of its buffer.
  tn_status describe(uint32_t kernel, const plan::format::LibraryCall &call, uint32_t workspace, Message &message);
  bool isDescribed(uint32_t kernel) const { return convolutions[kernel].plan; }
  /// `addresses` are those of the kernel's buffers.
  tn_status queue(uint32_t kernel, const plan::format::LibraryCall &call, void *const *addresses, StreamHandle stream, Message &message);
  void destroy();

private:
  struct Convolution : ConvolutionDescriptors {
    dnn::Descriptor plan;
    uint32_t workspace; ///< number of the buffer
  };

  tn_status chooseEngine(const plan::format::LibraryCall &call, dnn::Descriptor graph, Convolution &made, Message &message);
  /// A plan for an engine's configuration; null where it cannot, may not or needs more workspace. What it is made of is released.
  dnn::Descriptor planFor(const plan::format::LibraryCall &call, dnn::Descriptor config) const;
  bool isExact(const plan::format::LibraryCall &call, dnn::Descriptor config) const;
  void release(Convolution &made);
  tn_status fail(dnn::Status status, const char *what, Message &message) const;

  const dnn::Library *library = nullptr;
  dnn::Handle handle = nullptr;
  Array<Convolution> convolutions; ///< by kernel; of zeros where cuDNN does not compute it
};

} // namespace tenon::cuda
