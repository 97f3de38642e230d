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
  /// Copies the inputs to the GPU. `outputs` are those of a run on the host's tensors: they say how large they are. Throws Failure.
  DeviceRuns(tn_context *context, const std::vector<tn_tensor> &inputs, const std::vector<tn_tensor> &outputs);
  ~DeviceRuns();
  DeviceRuns(const DeviceRuns &) = delete;
  DeviceRuns &operator=(const DeviceRuns &) = delete;

  /// Seconds of one of many runs that follow each other. Throws Failure, and DeviceLost where the GPU cannot be used any more.
  double run();

private:
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
