// What `tenon quantize` and `tenon compile --int8` have in common: options, and what they do.
#pragma once
#include "tools/tenon/quantize/MetricChoice.h"

namespace CLI {
class App;
}

namespace tenon::driver {

struct QuantizeArguments {
  std::string model, output; // paths; the statistics of an interrupted run lie beside the output
  std::string method = "mse", calibration, validation, maxDrop, recipe, saveRecipe, html;
  MetricOptions metric;
  QuantizeOptions options;
  bool json = false, quiet = false, report = false;
  CLI::App *verb = nullptr; // whose options these are
};

/// Adds options to a verb; `arguments` must live as long.
void addQuantizeOptions(CLI::App &verb, QuantizeArguments &arguments);

/// Quantizes a model as the options say, writes the files that they ask for but not the model itself, and prints warnings. `write` is called with the
/// result, before the statistics of an interrupted run are removed. Returns the exit code: 0, or 3 where a budget is not met.
/// Throws Failure, and UsageFailure where options do not fit each other.
int quantizeFile(const QuantizeArguments &arguments, const std::function<void(const Quantized &)> &write);

} // namespace tenon::driver
