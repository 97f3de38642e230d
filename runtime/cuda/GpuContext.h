// What a context of a plan for a GPU has instead of an arena and threads: device memory, a stream, a graph for each shape.
//
// Without TENON_CUDA the library is built with Absent.cpp instead, where making one fails.
#pragma once

#include "runtime/context/PreparedPlan.h"

namespace tenon {

namespace cuda {
class Executor;
} // namespace cuda

/// How often and how long steps ran, as tn_context keeps it.
struct StepTimes {
  uint64_t last, minimum, total;
};

/// One run: where its tensors are and how it is to be done.
struct GpuRun {
  const tn_tensor *inputs;
  tn_tensor *outputs;
  void *stream = nullptr;     ///< the caller's, where `isAsync`
  bool isAsync = false;       ///< all tensors are on the device; returns when the work is queued
  StepTimes *times = nullptr; ///< of every step; null: not measured
  int repeats = 1;            ///< of every step, where they are measured
};

class GpuContext {
public:
  /// `device` is the GPU's number. Uploads the plan if it is the first context there.
  tn_status start(tn_plan &plan, uint32_t device, Memory &memory, Message &message);
  ~GpuContext();
  /// Where kernels read the plan's weights, on the device.
  Weights weights() const;
  tn_status run(PreparedPlan &prepared, const GpuRun &run, Message &message);
  /// Drops what was made for `prepared`.
  void forget(PreparedPlan &prepared);

private:
  cuda::Executor *executor = nullptr;
  Memory *memory = nullptr;
};

/// What the driver says about a GPU. Errors: TN_DEVICE.
tn_status describeDevice(uint32_t device, tn_device_info &info, Message &message);
/// Of a plan and its variants the one with the best code for GPU number `device`. Errors: TN_DEVICE, TN_WRONG_TARGET.
tn_status chooseVariant(tn_plan &plan, uint32_t device, tn_plan **chosen, Message &message);
/// Frees what a plan has on devices.
void releaseDevicePlans(tn_plan &plan);
/// Whether this library can run plans on GPUs, if there is one.
bool hasGpuSupport();

} // namespace tenon
