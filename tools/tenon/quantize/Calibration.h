// Runs a model on the user's samples and watches its tensors.
#pragma once
#include "tools/tenon/quantize/QuantizableModel.h"

#include <functional>
#include <set>

namespace tenon::driver {

struct CalibrationOptions {
  std::string samples;       // .npz: for each input of the model NAME or in:NAME, samples along the first axis
  int64_t limit = 0;         // samples that are used at most; 0: all
  uint32_t threads = 0;      // 0: one for each core
};

struct Observation {
  std::map<std::string, Histogram> histograms; // by tensor
  int64_t samples = 0;
};

/// Compiles the model with its tensors among the outputs and runs every sample twice: for the ranges, then for what lies in them. Memory: the samples,
/// and one run's tensors. `progress` gets the share that is done. Throws Failure: samples that are missing, do not fit, or hold NaN or infinity.
Observation observe(const QuantizableModel &model, const std::string &path, const CalibrationOptions &options,
                    const std::function<void(const char *, double)> &progress);

} // namespace tenon::driver
