// Runs prepared plans on one GPU: device memory, staging, graphs.
#pragma once

#include "runtime/cuda/Device.h"
#include "runtime/cuda/GpuContext.h"

namespace tenon::cuda {

/// The captured launches of a plan at one shape, valid while the addresses in it are.
struct DeviceGraph {
  GraphExecHandle exec = nullptr;
  uint64_t generation = 0;     ///< of the executor's memory
  Array<const void *> tensors; ///< inputs, then outputs, as captured
};

class Executor {
public:
  Executor(tn_plan &plan, Memory &memory) : plan(plan), memory(memory) {}
  ~Executor();
  tn_status start(uint32_t device, Message &message);
  tn_status run(PreparedPlan &prepared, const GpuRun &run, Message &message);
  void forget(PreparedPlan &prepared);
  Weights weights() const { return {reinterpret_cast<const uint8_t *>(on->weights), on->offsets.data()}; }

private:
  /// Makes room for a shape: arena and tensors on the device, tensors on the host.
  tn_status reserve(const tn_layout &layout, const GpuRun &run, Message &message);
  tn_status reserveBlock(size_t bytes, Message &message);
  tn_status reserveStaging(size_t bytes, Message &message);
  void releaseBlock();
  void releaseStaging();
  /// Chooses where kernels find inputs and outputs, and queues the copies of inputs.
  tn_status bindInputs(const tn_layout &layout, const GpuRun &run, StreamHandle stream, Message &message);
  tn_status bindOutputs(const tn_layout &layout, const GpuRun &run, Message &message);
  /// Makes outputs that earlier runs placed in the staging memory, which may move, such that this run places them.
  void forgetPlaced(tn_tensor *outputs) const;
  tn_status copyOutputs(const tn_layout &layout, const GpuRun &run, StreamHandle stream, Message &message);
  tn_status bindInput(const tn_layout &layout, const GpuRun &run, uint32_t index, StreamHandle stream, Message &message);
  tn_status bindOutput(const tn_layout &layout, const GpuRun &run, uint32_t index, Message &message);
  void finishOutputs(const tn_layout &layout, const GpuRun &run);

  tn_status graphFor(PreparedPlan &prepared, GraphExecHandle *exec, Message &message);
  tn_status capture(PreparedPlan &prepared, GraphExecHandle *exec, Message &message);
  tn_status queueSteps(const PreparedPlan &prepared, Message &message);
  tn_status queueStep(const PreparedPlan &prepared, uint32_t step, bool overlaps, Message &message);
  tn_status failLaunch(Result result, const plan::format::Kernel &kernel, const plan::format::Launch &launch, Message &message) const;
  tn_status measureSteps(const PreparedPlan &prepared, const GpuRun &run, Message &message);
  tn_status makeEvents(uint32_t wanted, Message &message);
  void destroyEvents();
  /// Waits for all that was queued, which may use the memory of this context.
  void waitForQueued();
  tn_status fail(Result result, const char *what, Message &message) const { return on->driver->fail(result, what, message); }
  /// Whether memory of the caller is on this GPU. Errors: TN_INVALID_ARGUMENT where it is on another one, or ends inside of the `bytes` that a run
  /// needs.
  tn_status locate(const char *what, const char *name, const tn_tensor &tensor, size_t bytes, bool *isOnDevice, Message &message) const;

  tn_plan &plan;
  Memory &memory;
  DevicePlan *on = nullptr;
  StreamHandle stream = nullptr;

  DevicePointer block = 0; ///< arena, inputs, outputs
  size_t blockBytes = 0;
  uint8_t *staging = nullptr; ///< pinned: inputs, outputs
  size_t stagingBytes = 0;
  bool hasQueued = false;  ///< on streams of the caller, since everything was last waited for
  uint64_t generation = 0; ///< counts moves of `block`

  Array<size_t> slots;       ///< offsets of inputs, then outputs, after the arena and in the staging memory
  Array<tn_tensor> inputs;   ///< as kernels see them
  Array<tn_tensor> outputs;  ///< likewise
  Array<bool> outputIsOnDevice; ///< in the caller's memory
  Array<void *> parameters;  ///< of one launch
  Array<EventHandle> events; ///< around every step, made when steps are first measured
};

} // namespace tenon::cuda
