// What `tenon quantize` and `tenon compile --int8` have in common: options, and what they do.
#pragma once
#include "tools/tenon/quantize/WeightBlocks.h"
#include "tools/tenon/quantize/MetricChoice.h"

namespace CLI {
class App;
}

namespace tenon::driver {

struct QuantizeArguments {
  std::string model, output; // paths; the statistics of an interrupted run lie beside the output
  std::string method = "network", calibration, validation, maxDrop, recipe, saveRecipe, html;
  MetricOptions metric;
  std::optional<bool> equalization; // asked for, or ruled out
  std::string activations, fallback, rankBy; // "": left to the recipe; f32; auto
  std::string type;                 // "": left to the recipe; "int8" or "fp8"
  QuantizeOptions options;
  std::string weights;              // "int4" or "int8": nothing else is quantized
  BlockOptions blocks;
  bool json = false, quiet = false, report = false;
  CLI::App *verb = nullptr; // whose options these are

  bool takesWeightsOnly() const { return !weights.empty(); }
};

/// Adds options to a verb; `arguments` must live as long.
void addQuantizeOptions(CLI::App &verb, QuantizeArguments &arguments);

/// --type.
void addTypeOption(CLI::App &verb, QuantizeArguments &arguments);

/// --weights and --group, which take the place of the others.
void addWeightOptions(CLI::App &verb, QuantizeArguments &arguments);

/// Quantizes a model as the options say, writes the files that they ask for but not the model itself, and prints warnings. `write` is called with the
/// result, before the statistics of an interrupted run are removed. Returns the exit code: 0, or 3 where a budget is not met.
/// Throws Failure, and UsageFailure where options do not fit each other.
int quantizeFile(const QuantizeArguments &arguments, const std::function<void(const Quantized &)> &write);

} // namespace tenon::driver
