// A convolution and what follows it as a graph of cuDNN's backend.
#pragma once

#include "runtime/cuda/Cudnn.h"
#include "runtime/plan/PlanVerifier.h"

namespace tenon::cuda {

/// By what the tensors of a graph are told apart.
enum ConvolutionTensor : int64_t { LeftId = 1, RightId, BiasId, AddedId, ResultId, FirstVirtualId };

/// Descriptors refer to each other: all of a convolution's live as long as its plan.
struct ConvolutionDescriptors {
  static constexpr uint32_t kMost = 32; ///< a graph has 17, and the plan's two more
  dnn::Descriptor descriptors[kMost];
  uint32_t count;
};

/// The graph of a verified call: the convolution, then a sum with what is added, with the bias, and the activation, as far as there are any. In this
/// order the library has engines that it need not compile. Descriptors are added to `made`, also where one fails.
dnn::Descriptor makeGraph(const dnn::Library &library, dnn::Handle handle, const plan::format::LibraryCall &call, ConvolutionDescriptors &made,
                          dnn::Status *status);

} // namespace tenon::cuda
