// Runs a model on the user's samples and watches its tensors.
#pragma once
#include "tools/tenon/quantize/Dataset.h"
#include "tools/tenon/quantize/QuantizableModel.h"
#include "tools/tenon/quantize/RowSample.h"
#include "tools/tenon/quantize/Statistics.h"

#include <functional>

namespace tenon::driver {

/// The step that is going on, and the share of the work that is done.
using ProgressFunction = std::function<void(const char *step, double fraction)>;

struct CalibrationOptions {
  int64_t limit = 0;              // samples that are used at most; 0: all
  uint32_t threads = 0;           // 0: one for each core
  KeptSamples *heldOut = nullptr; // receives every fifth run, which is not calibrated with, as long as it has room; null: nothing is held out
  KeptSamples *kept = nullptr;    // receives runs that are calibrated with; null: none
  size_t rowBytes = 0;            // for rows of what layers read; 0: none are kept
};

struct Observation {
  std::map<std::string, ValueCounts> &tensors; // the statistics'
  std::vector<RowSample> rows; // by layer; empty where none were asked for
  int64_t samples = 0;
};

/// Compiles the model with its tensors among the outputs and runs every sample once that the statistics do not count yet, or every one where rows are asked
/// for. Memory: one run's tensors, and counts of what lies in them.
/// Throws Failure: no samples, samples that do not fit, or hold NaN or infinity.
void observe(const QuantizableModel &model, const std::string &path, Dataset &dataset, const CalibrationOptions &options, StatisticsFile &file,
             Observation &observation, const ProgressFunction &progress);

} // namespace tenon::driver
