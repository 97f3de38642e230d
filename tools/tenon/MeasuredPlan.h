// A plan that a measuring process opens, feeds and times.
#pragma once
#include "tools/tenon/DeviceRuns.h"
#include "tools/tenon/Failure.h"
#include "tools/tenon/Plan.h"

#include <chrono>
#include <functional>
#include <span>
#include <string>
#include <vector>

namespace tenon::driver {

/// A kernel failed on a GPU, which this process cannot use any more.
struct DeviceLost : Failure {
  using Failure::Failure;
};

class MeasuredPlan {
public:
  /// Opens the plan, of a GPU on that of number `device`, and runs it once on made-up inputs, always the same for the same signature. Calls
  /// `tellSlow` with true before a library is opened for it, or a GPU's driver compiles it, which may take seconds, and with false when the driver
  /// has done so. Throws Failure.
  MeasuredPlan(const std::string &path, int threads, uint32_t device, const std::function<void(bool)> &tellSlow);
  ~MeasuredPlan();
  MeasuredPlan(const MeasuredPlan &) = delete;
  MeasuredPlan &operator=(const MeasuredPlan &) = delete;

  /// One run; its seconds. Throws Failure.
  double run();
  /// Of a plan for a GPU, the seconds of its kernels as they follow each other in a long run, without what copies and starting it take; results are of no
  /// use then. Of others, those of a run. Throws Failure.
  double runKernels();
  /// Seconds of a run as a network; of a plan for a GPU as one of many that follow each other, with tensors that stay in its memory. Throws Failure.
  double runNetwork();
  bool isForGpu() const;
  /// Drops the plan's weights from the caches.
  void cool();
  /// How long the context's threads stay awake after a run: another plan that is timed before disturbs.
  std::chrono::microseconds spin() const { return spinTime; }
  /// Copies of the outputs of the last run.
  std::vector<HostTensor> results() const;
  /// Why the outputs of the last run are not `expected`, or "".
  std::string difference(const std::vector<HostTensor> &expected, double tolerance) const;

  /// Whether the last run gave the same bytes as the first one that this asked about: threads that race do not always.
  bool repeatsItself();
  /// Changes a bit of what the last run gave, as a race would. For tests.
  void disturb() { static_cast<char *>(outputs.front().data)[0] ^= 1; }

  tn_plan *get() const { return plan.get(); }
  tn_context *runner() const { return context.get(); }

private:
  void *mapping = nullptr;
  size_t bytes = 0;
  std::chrono::microseconds spinTime{};
  PlanHandle plan;
  ContextHandle context;
  std::vector<HostTensor> inputs;
  std::vector<tn_tensor> views, outputs;
  uint32_t gpu = 0;
  std::unique_ptr<DeviceRuns> device; ///< of a plan for a GPU, from the first that is measured
  std::vector<HostTensor> first; ///< outputs that repeatsItself compares with
};

} // namespace tenon::driver
