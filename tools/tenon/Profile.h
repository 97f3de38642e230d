// Where the time of a run goes, by step.
#pragma once
#include "tools/tenon/Peak.h"
#include "tools/tenon/Plan.h"

#include <optional>
#include <string>
#include <vector>

namespace tenon::driver {

struct StepProfile {
  uint32_t step = 0;
  std::string kernel, family, sources;
  double seconds = 0;                   ///< of the fastest run; on a GPU of a launch by itself, between two events, or of one of many in a row
  double alone = 0;                     ///< on a GPU, of a launch by itself
  std::optional<Arithmetic> arithmetic; ///< of a kernel for a GPU
  int64_t flops = 0, bytes = 0;
  uint32_t tasks = 0;
  bool isLaunch = false; ///< of a kernel
  bool decides = false; ///< how the run goes on: a branch, a loop, sizes that are read
};

/// What a step computes: its kernel ("copy" for a copy, "branch", "loop", "read sizes" or "require" for what needs none) and the names of its source nodes, joined.
StepProfile describeStep(const tn_plan *plan, uint32_t step);

/// The fastest run of a step of a context that has run with profiling on.
double stepSeconds(const tn_context *context, uint32_t step);

/// The steps of a context that has run with profiling on, in their order; costs are those of the given layout. What kernels of a GPU multiply with is
/// not known.
std::vector<StepProfile> profileOf(const tn_context *context, const tn_layout *layout);

/// The share of the peak that a step reaches, of its arithmetic or of memory, whichever is nearer; above 1 its data came from a cache.
double shareOfPeak(const StepProfile &step, const Peak &peak);

/// Steps one behind the other, each as long as its fastest run, in the JSON that chrome://tracing and Perfetto read.
std::string traceText(const std::vector<StepProfile> &steps, const Peak &peak);

} // namespace tenon::driver
