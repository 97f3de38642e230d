// tenon quantize: a float model and samples to the same model in 8 bits, as portable ONNX with Q/DQ nodes.
#include "tools/tenon/Failure.h"
#include "tools/tenon/File.h"
#include "tools/tenon/Progress.h"
#include "tools/tenon/Verbs.h"
#include "tools/tenon/quantize/HtmlReport.h"
#include "tools/tenon/quantize/Labels.h"
#include "tools/tenon/quantize/NpzDataset.h"
#include "tools/tenon/quantize/Quantizer.h"

#include <CLI/CLI.hpp>
#include <charconv>
#include <cstdio>
#include <limits>

namespace tenon::driver {
namespace {

constexpr int kBudgetNotMet = 3; // the exit code
// What is held out of the calibration's samples to measure with.
constexpr size_t kHeldOutRuns = 100, kHeldOutBytes = size_t(1) << 29;

struct Arguments {
  std::string model, output, method = "mse", calibration, validation, labels, metric, maxDrop, recipe, saveRecipe, html;
  QuantizeOptions options;
  bool json = false, quiet = false, report = false;
};

/// "0.5%" or "0.005".
double budgetOf(const std::string &text) {
  double value = 0;
  auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  std::string unit(rest, text.data() + text.size());
  if (error != std::errc() || (unit != "" && unit != "%") || !(value >= 0 && value < 1e6))
    throw UsageFailure("--max-drop '" + text + "': a number of at least 0 was expected, as in 0.005 or 0.5%");
  return unit == "%" ? value / 100 : value;
}

void checkUsage(const Arguments &arguments) {
  if (!(arguments.options.percentile > 50 && arguments.options.percentile <= 100))
    throw UsageFailure("--percentile is more than 50 and at most 100");
  if (arguments.options.limit < 0)
    throw UsageFailure("--samples is at least 1");
  if (arguments.calibration.empty() && arguments.recipe.empty())
    throw UsageFailure("--calibration is missing: samples to choose ranges from, or a --recipe that holds them");
  if (!arguments.labels.empty() && arguments.validation.empty())
    throw UsageFailure("--labels belong to the samples of --validation, which is missing");
}

QuantizeOptions optionsOf(const Arguments &arguments) {
  QuantizeOptions options = arguments.options;
  checkUsage(arguments);
  std::optional<RangeMethod> method = rangeMethodNamed(arguments.method);
  if (!method)
    throw UsageFailure("--method '" + arguments.method + "': the methods are " + rangeMethodNames());
  options.method = *method;
  options.path = arguments.model;
  options.measureErrors = arguments.report || !arguments.html.empty();
  if (!arguments.maxDrop.empty())
    options.maxDrop = budgetOf(arguments.maxDrop);
  else if (!arguments.validation.empty() || !arguments.metric.empty())
    options.maxDrop = std::numeric_limits<double>::infinity(); // measured only
  return options;
}

MetricMaker metricOf(const Arguments &arguments, const MetricSetting &setting) {
  const std::string name = !arguments.metric.empty() ? arguments.metric : arguments.labels.empty() ? "cosine" : "top1";
  if (name == "cosine" || name == "relative-error") {
    if (!arguments.labels.empty())
      throw UsageFailure("--metric " + name + " takes no --labels; with them, the metric is top1, top5, or any other top and a number");
    Agreement kind = name == "cosine" ? Agreement::Cosine : Agreement::RelativeError;
    return [=](const std::string &floatModel) { return agreementWith(floatModel, kind, setting); };
  }
  size_t k = 0;
  const char *digits = name.data() + 3, *end = name.data() + name.size();
  if (!name.starts_with("top") || std::from_chars(digits, end, k).ptr != end || k == 0)
    throw UsageFailure("--metric '" + name + "': the metrics are cosine and relative-error and, with --labels, top1, top5, or any other top and a number");
  if (arguments.labels.empty())
    throw UsageFailure("--metric " + name + " counts right answers: --labels is missing");
  return [=, labels = readLabels(arguments.labels), file = arguments.labels](const std::string &) { return topK(k, labels, file, setting); };
}

void print(const Arguments &arguments, const Quantized &quantized, size_t before) {
  const QuantizationReport &report = quantized.report;
  for (const std::string &warning : reportWarnings(report))
    std::fprintf(stderr, "warning: %s\n", warning.c_str());
  if (arguments.json)
    std::fputs(reportJson(report).c_str(), stdout);
  if (arguments.json || arguments.quiet)
    return;
  if (arguments.report || report.budget)
    std::fputs(reportText(report).c_str(), stdout);
  std::string source = report.samples ? "from " + std::to_string(report.samples) + " samples by " + arguments.method : "by the recipe";
  std::printf("%s: %zu of %zu layers and %zu tensors in 8 bits, %s; %.1f MB, was %.1f MB\n", arguments.output.c_str(), report.quantizedLayers(), report.layers.size(),
              report.quantizedTensors(), source.c_str(), double(quantized.model.size()) * 1e-6, double(before) * 1e-6);
}

void writeText(const std::string &path, const std::string &text) { writeFile(path, std::as_bytes(std::span(text))); }

int quantizeModel(const Arguments &arguments) {
  QuantizeOptions options = optionsOf(arguments);
  std::vector<std::byte> bytes = readFile(arguments.model);
  QuantizableModel model(bytes, arguments.model);
  Recipe recipe;
  if (!arguments.recipe.empty()) {
    std::vector<std::byte> text = readFile(arguments.recipe);
    recipe = parseRecipe({reinterpret_cast<const char *>(text.data()), text.size()}, arguments.recipe, model);
  }
  std::optional<NpzDataset> calibration, validation;
  if (!arguments.calibration.empty())
    calibration.emplace(arguments.calibration);
  if (!arguments.validation.empty())
    validation.emplace(arguments.validation);
  KeptSamples heldOut("samples held out of " + arguments.calibration, kHeldOutRuns, kHeldOutBytes);
  if (options.maxDrop && !validation)
    options.heldOut = &heldOut;
  Dataset *measured = validation ? static_cast<Dataset *>(&*validation) : &heldOut;
  MetricMaker metric = metricOf(arguments, {arguments.model, options.threads, measured});

  Progress progress("quantize", !arguments.quiet && !arguments.json);
  Quantized quantized = quantize(model, options, recipe, calibration ? &*calibration : nullptr, metric, [&](const char *step, double fraction) { progress.update(step, fraction); });
  progress.finish();
  writeText(arguments.output, quantized.model);
  if (!arguments.saveRecipe.empty())
    writeText(arguments.saveRecipe, recipeJson(quantized.report));
  if (!arguments.html.empty())
    writeText(arguments.html, reportHtml(quantized.report));
  print(arguments, quantized, bytes.size());
  return quantized.report.budget && !quantized.report.budget->isMet ? kBudgetNotMet : 0;
}

/// --NAME and --no-NAME; neither leaves it to the recipe.
void addTechnique(CLI::App *verb, const std::string &name, std::optional<bool> &value, const std::string &help) {
  std::string other = "--no-" + name.substr(2);
  verb->add_flag_callback(name, [&value] { value = true; }, help);
  verb->add_flag_callback(other, [&value] { value = false; }, "they are not")->excludes(name);
}

} // namespace

void addQuantize(CLI::App &app, Action &action) {
  auto arguments = std::make_shared<Arguments>();
  CLI::App *verb = app.add_subcommand("quantize", "Write a float model in 8 bits, with ranges from samples: ONNX with QuantizeLinear and DequantizeLinear");
  verb->add_option("model", arguments->model, "ONNX model in f32")->required();
  verb->add_option("-o,--output", arguments->output, "the quantized ONNX model")->required()->type_name("FILE");
  verb->add_option("--calibration", arguments->calibration, ".npz with an array for each input: NAME or in:NAME, samples along the first axis")->type_name("FILE");
  verb->add_option("--method", arguments->method, "how ranges are chosen: min-max, moving-average, percentile, mse (default), entropy, or auto: for each tensor that with the least error of the layers that read it")->type_name("METHOD");
  verb->add_option("--percentile", arguments->options.percentile, "of the values that --method percentile keeps inside; 99.99 by default")->type_name("P");
  addTechnique(verb, "--bias-correction", arguments->options.techniques.biasCorrection, "biases take the mean error of their layer's results");
  addTechnique(verb, "--adaptive-rounding", arguments->options.techniques.adaptiveRounding, "weights are rounded for their layer's results over the samples, not each for itself");
  verb->add_option("--samples", arguments->options.limit, "use the first N samples only; all by default")->type_name("N");
  verb->add_option("--max-drop", arguments->maxDrop, "how much of the metric may be lost, as in 0.5%; layers go back to f32 until no more is. Exit code 3 where it is")->type_name("DROP");
  verb->add_option("--metric", arguments->metric, "what is measured: cosine (default) or relative-error to the float model; with --labels top1 (default), top5, ...")->type_name("METRIC");
  verb->add_option("--validation", arguments->validation, ".npz of samples to measure the metric on; a fifth of the calibration's by default")->type_name("FILE");
  verb->add_option("--labels", arguments->labels, "the validation samples' classes: .npy, or text with one number on each line")->type_name("FILE");
  verb->add_option("--recipe", arguments->recipe, "bits and ranges that were saved, and perhaps edited; samples are needed for what it leaves out")->type_name("FILE");
  verb->add_option("--save-recipe", arguments->saveRecipe, "write bits and ranges as JSON")->type_name("FILE");
  verb->add_flag("--report", arguments->report, "measure what each layer costs, and print a table");
  verb->add_option("--html", arguments->html, "the same as a page, with the distribution of what each layer reads")->type_name("FILE");
  verb->add_option("--threads", arguments->options.threads, "threads to run with; one for each core by default")->type_name("N");
  verb->add_flag("--json", arguments->json, "print layers, ranges and scales as JSON");
  verb->add_flag("--quiet", arguments->quiet, "print errors only");
  verb->callback([arguments, &action] { action = [arguments] { return quantizeModel(*arguments); }; });
}

} // namespace tenon::driver
