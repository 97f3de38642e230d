// Several contexts of one plan at the same time.
#pragma once
#include "tools/tenon/Plan.h"

#include <vector>

namespace tenon::driver {

struct ThroughputOptions {
  uint32_t contexts = 1;
  uint32_t threads = 1;            ///< of each context
  double warmup = 0, duration = 1; ///< seconds
  std::optional<uint32_t> device;  ///< the GPU
};

/// Runs a second of all contexts together, each used by a thread of its own. Throws Failure.
double measureThroughput(tn_plan *plan, const std::vector<tn_tensor> &inputs, const ThroughputOptions &options);

} // namespace tenon::driver
