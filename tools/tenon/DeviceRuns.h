// Runs of a plan on a GPU as an application queues them that keeps its tensors there.
#pragma once
#include "tools/tenon/Plan.h"

#include <cstdint>
#include <memory>
#include <vector>

namespace tenon::driver {

/// What of the CUDA driver that takes. The runtime's own is not part of its interface.
struct DeviceDriver;

class DeviceRuns {
public:
  /// Copies the inputs to GPU number `device`, the context's. `outputs` are those of a run on the host's tensors: they say how large they are. Throws
  /// Failure.
  DeviceRuns(tn_context *context, uint32_t device, const std::vector<tn_tensor> &inputs, const std::vector<tn_tensor> &outputs);
  ~DeviceRuns();
  DeviceRuns(const DeviceRuns &) = delete;
  DeviceRuns &operator=(const DeviceRuns &) = delete;

  /// Seconds of one of many runs that follow each other. Throws Failure, and DeviceLost where the GPU cannot be used any more.
  double run();
  /// How many of them a time is the mean of.
  int inARow() const { return count; }
  /// Whether run() reads the processor's clock, as it must where a plan waits for the GPU to decide; else the time is that between two events.
  bool waits() const { return decides; }

  /// Seconds of copying all inputs from pinned memory of the host to the GPU, and all outputs back, each by itself, between two events. Throws
  /// Failure.
  double copyInputs();
  double copyOutputs();

private:
  /// Seconds since `begin`, when the stream has passed what is queued.
  double elapsed();
  /// The least of some tries.
  double timeCopies(const std::vector<tn_tensor> &tensors, bool toDevice);
  /// Seconds of copying these tensors from pinned memory, one behind the other, or to it.
  double copy(const std::vector<tn_tensor> &tensors, void *pinned, bool toDevice);
  tn_tensor onDevice(const tn_tensor &tensor, bool copy);
  /// Seconds of each of `count` runs, queued one behind the other between two events.
  double queue(int count);
  /// The same of a plan that waits for the GPU to decide how to go on.
  double wait(int count);

  tn_context *context;
  std::unique_ptr<DeviceDriver> driver;
  std::vector<uint64_t> memory;
  std::vector<tn_tensor> inputs, outputs;
  void *stream = nullptr, *begin = nullptr, *end = nullptr;
  int count = 0; ///< of a run(); 0: not known yet
  bool decides = false;
};

} // namespace tenon::driver
