// The metric that options choose.
#pragma once
#include "tools/tenon/quantize/Quantizer.h"

namespace tenon::driver {

struct MetricOptions {
  std::string name;            // --metric; "": the one that goes with the labels
  std::string labels;          // a file; "": none
  std::string script;          // --evaluate; "": none
  std::string limit = "1h";    // for one run of the script

  /// Whether samples are needed to measure on.
  bool takesSamples() const { return script.empty(); }
};

/// Reads labels at once. Throws Failure, and UsageFailure where options do not fit each other.
MetricMaker chooseMetric(const MetricOptions &options, const MetricSetting &setting);

} // namespace tenon::driver
