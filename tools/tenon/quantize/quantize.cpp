// tenon quantize: a float model and samples to the same model in 8 bits, as portable ONNX with Q/DQ nodes.
#include "tools/tenon/Failure.h"
#include "tools/tenon/File.h"
#include "tools/tenon/Progress.h"
#include "tools/tenon/Verbs.h"
#include "tools/tenon/quantize/Calibration.h"

#include <CLI/CLI.hpp>
#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>

namespace tenon::driver {
namespace {

struct Arguments {
  std::string model, output, method = "mse";
  double percentile = 99.99;
  CalibrationOptions calibration;
  bool json = false, quiet = false;
};

RangeMethod methodOf(const Arguments &arguments) {
  std::optional<RangeMethod> method = rangeMethodNamed(arguments.method);
  if (!method)
    throw UsageFailure("--method '" + arguments.method + "': the methods are min-max, percentile, mse, entropy");
  if (!(arguments.percentile > 50 && arguments.percentile <= 100))
    throw UsageFailure("--percentile is more than 50 and at most 100");
  if (arguments.calibration.limit < 0)
    throw UsageFailure("--samples is at least 1");
  return *method;
}

/// Tensors that were 0 for every sample: their range says nothing.
std::vector<std::string> constantTensors(const Observation &observation) {
  std::vector<std::string> constant;
  for (const auto &[name, histogram] : observation.histograms)
    if (histogram.low() == 0 && histogram.high() == 0)
      constant.push_back(name);
  return constant;
}

void printJson(const Arguments &arguments, const QuantizableModel &model, const Observation &observation, const std::map<std::string, Steps> &steps) {
  nlohmann::ordered_json json = {{"model", arguments.model}, {"output", arguments.output}, {"method", arguments.method}, {"samples", observation.samples}, {"layers", model.layers().size()}};
  for (const std::string &name : model.tensors()) {
    const Histogram &seen = observation.histograms.at(name);
    json["tensors"].push_back({{"name", name}, {"min", seen.low()}, {"max", seen.high()}, {"scale", steps.at(name).scale}, {"zero_point", steps.at(name).zeroPoint}});
  }
  std::printf("%s\n", json.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace).c_str());
}

int quantizeModel(const Arguments &arguments) {
  RangeMethod method = methodOf(arguments);
  std::vector<std::byte> bytes = readFile(arguments.model);
  QuantizableModel model(bytes, arguments.model);
  Progress progress("quantize", !arguments.quiet && !arguments.json);
  Observation observation = observe(model, arguments.model, arguments.calibration, [&](const char *step, double fraction) { progress.update(step, fraction); });
  progress.finish();
  std::map<std::string, Steps> steps;
  for (const std::string &name : model.tensors())
    steps[name] = stepsFor(chooseRange(observation.histograms.at(name), method, arguments.percentile));
  std::string quantized = model.quantized(steps);
  writeFile(arguments.output, std::as_bytes(std::span(quantized)));
  if (arguments.json)
    printJson(arguments, model, observation, steps);
  else if (!arguments.quiet)
    std::printf("%s: %zu layers and %zu tensors in 8 bits, from %lld samples by %s; %.1f MB, was %.1f MB\n", arguments.output.c_str(), model.layers().size(), model.tensors().size(),
                static_cast<long long>(observation.samples), arguments.method.c_str(), double(quantized.size()) * 1e-6, double(bytes.size()) * 1e-6);
  for (const std::string &name : constantTensors(observation))
    std::fprintf(stderr, "warning: tensor '%s' was 0 for every sample: give samples that reach it\n", name.c_str());
  return 0;
}

} // namespace

void addQuantize(CLI::App &app, Action &action) {
  auto arguments = std::make_shared<Arguments>();
  CLI::App *verb = app.add_subcommand("quantize", "Write a float model in 8 bits, with ranges from samples: ONNX with QuantizeLinear and DequantizeLinear");
  verb->add_option("model", arguments->model, "ONNX model in f32")->required();
  verb->add_option("-o,--output", arguments->output, "the quantized ONNX model")->required()->type_name("FILE");
  verb->add_option("--calibration", arguments->calibration.samples, ".npz with an array for each input: NAME or in:NAME, samples along the first axis")->required()->type_name("FILE");
  verb->add_option("--method", arguments->method, "how ranges are chosen: min-max, percentile, mse (default) or entropy")->type_name("METHOD");
  verb->add_option("--percentile", arguments->percentile, "of the values that --method percentile keeps inside; 99.99 by default")->type_name("P");
  verb->add_option("--samples", arguments->calibration.limit, "use the first N samples only; all by default")->type_name("N");
  verb->add_option("--threads", arguments->calibration.threads, "threads to run with; one for each core by default")->type_name("N");
  verb->add_flag("--json", arguments->json, "print ranges and scales as JSON");
  verb->add_flag("--quiet", arguments->quiet, "print errors only");
  verb->callback([arguments, &action] { action = [arguments] { return quantizeModel(*arguments); }; });
}

} // namespace tenon::driver
