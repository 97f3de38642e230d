// What `tenon bench` says.
#pragma once
#include "tools/tenon/Peak.h"
#include "tools/tenon/Profile.h"

#include <string>
#include <vector>

namespace tenon::driver {

/// Of a plan for a GPU.
struct DeviceMeasurement {
  std::vector<double> runs;            // sorted seconds of a run with tensors in the GPU's memory; each the mean of some in a row
  int inARow = 0;                      // of how many
  bool waits = false;                  // by the processor's clock, not between two events
  double toDevice = 0, fromDevice = 0; // seconds of copying all inputs there, and all outputs back, by itself
};

struct Measurement {
  double open = 0, context = 0, first = 0, elapsed = 0; // seconds
  double firstAt = 0;                                   // end of the first run on the system's monotonic clock, in seconds
  uint32_t contexts = 1;
  double together = 0;      // runs a second of all contexts; 0 where there is one
  std::vector<double> runs; // sorted seconds of each measured run, with tensors on the host
  DeviceMeasurement onDevice;
  uint32_t threads = 0;
  uint64_t contextBytes = 0, inputBytes = 0, outputBytes = 0;
  uint64_t processBytes = 0; // of the whole process: its peak, measuring the processor left out
  tn_memory_info memory{};
  std::vector<std::string> assumed; ///< free dimensions that nobody gave a size
  std::vector<StepProfile> steps;
  Peak peak;            ///< of the GPU, or of as many threads as the plan ran with
  tn_device_info gpu{}; ///< no name: the plan runs on the CPU

  double mean() const { return elapsed / double(runs.size()); }
};

/// `everything`: every step, not just the slowest.
void printBenchReport(const std::string &plan, const Measurement &measured, bool everything);
void printBenchJson(const std::string &plan, const Measurement &measured);

} // namespace tenon::driver
