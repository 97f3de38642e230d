// What a context of a plan for a GPU has besides its runners: device memory, a stream, a graph for each shape.
//
// A plan in one segment is a graph of launches. Of any other one the runners queue a segment after the other, and fetch what decides how to go on.
// Without TENON_CUDA the library is built with Absent.cpp instead, where starting one fails.
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

/// One run of a plan in one segment: where its tensors are and how it is to be done.
struct GpuRun {
  const tn_tensor *inputs;
  tn_tensor *outputs;
  uint8_t *arena = nullptr;   ///< the caller's, on the device; null: the context's
  void *stream = nullptr;     ///< the caller's, where `isAsync`
  bool isAsync = false;       ///< all tensors are on the device; returns when the work is queued
  StepTimes *times = nullptr; ///< of every step; null: not measured
  int repeats = 1;            ///< of every step, where they are measured
};

/// Neighbouring steps, [first, end), all of them of one segment.
struct StepRange {
  uint32_t first, end;
  uint32_t segment = 0;
  StepTimes *times = nullptr; ///< of every step of the plan; null: not measured
  int repeats = 1;
};

class GpuContext {
public:
  GpuContext() = default;
  ~GpuContext();
  GpuContext(const GpuContext &) = delete;
  GpuContext &operator=(const GpuContext &) = delete;

  /// `device` is the GPU's number. Uploads the plan if it is the first context there.
  tn_status start(tn_plan &plan, uint32_t device, Memory &memory, Message &message);
  /// Whether the application's memory may be an arena. Errors: TN_INVALID_ARGUMENT.
  tn_status requireArena(const void *arena, size_t bytes, Message &message) const;
  /// Where kernels read the weights of the plan or one that it calls, on the device.
  Weights weights(const tn_plan &plan) const;
  tn_status run(PreparedPlan &prepared, const GpuRun &run, Message &message);
  /// Drops what was made for `prepared`.
  void forget(PreparedPlan &prepared);

  /// Memory of the device. Errors: TN_OUT_OF_MEMORY, with what is free.
  tn_status allocate(size_t bytes, void **block, const char *what, Message &message);
  /// Waits for what may use it. Null is allowed.
  void release(void *block, size_t bytes);
  /// Queues launches and copies of a segment; steps that decide something are the runner's.
  tn_status queue(PreparedPlan &prepared, const StepRange &range, Message &message);
  /// Queues a copy on the device.
  tn_status copy(void *to, const void *from, size_t bytes, Message &message);
  /// Queues the writing of a number.
  tn_status store(void *to, int64_t value, Message &message);
  /// Waits, and copies to this processor.
  tn_status fetch(void *to, const void *from, size_t bytes, Message &message);
  tn_status wait(Message &message);
  /// The inputs of a run, on the device: where they are, or as copies.
  tn_status bringInputs(const tn_layout &layout, const tn_tensor *inputs, const tn_tensor **brought, Message &message);
  /// Copies outputs from the device to the caller's memory, or memory of the context that stays as it is until the next run, and waits.
  tn_status deliverOutputs(const tn_tensor *computed, tn_tensor *outputs, Message &message);

private:
  cuda::Executor *executor = nullptr;
  Memory *memory = nullptr;
  tn_plan *plan = nullptr;
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
