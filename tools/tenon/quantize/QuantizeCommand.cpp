#include "tools/tenon/quantize/QuantizeCommand.h"
#include "tools/tenon/Failure.h"
#include "tools/tenon/File.h"
#include "tools/tenon/Progress.h"
#include "tools/tenon/quantize/Fingerprint.h"
#include "tools/tenon/quantize/HtmlReport.h"
#include "tools/tenon/quantize/NpzDataset.h"

#include <CLI/CLI.hpp>
#include <charconv>
#include <cstdio>
#include <filesystem>
#include <limits>
#include <set>

namespace tenon::driver {
namespace {

constexpr int kBudgetNotMet = 3; // the exit code
constexpr const char *kSymmetric = "symmetric", *kHalf = "f16", *kMetric = "metric", *kOutputs = "outputs", *kFloat8 = "fp8"; // values of options
// What is held out of the calibration's samples to measure with.
constexpr size_t kHeldOutRuns = 100, kHeldOutBytes = size_t(1) << 29;

/// "0.5%" or "0.005". A script's scores have the scale that it gives them; all others have at most 1 to lose.
double budgetOf(const std::string &text, bool hasScript) {
  double value = 0;
  auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  std::string unit(rest, text.data() + text.size());
  double most = unit == "%" ? 100 : hasScript ? 1e6 : 1;
  if (error != std::errc() || (unit != "" && unit != "%") || !(value >= 0 && value <= most))
    throw UsageFailure("--max-drop '" + text + "': a number from 0 to " + (hasScript ? "as much as the script's score may lose" : "1") + " was expected, as in 0.005, or a share up to 100%, as in 0.5%");
  return unit == "%" ? value / 100 : value;
}

void checkUsage(const QuantizeArguments &arguments) {
  if (!(arguments.options.percentile > 50 && arguments.options.percentile <= 100))
    throw UsageFailure("--percentile is more than 50 and at most 100");
  if (arguments.options.limit < (arguments.verb && arguments.verb->count("--samples") ? 1 : 0))
    throw UsageFailure("--samples is at least 1");
  if (arguments.calibration.empty() && arguments.recipe.empty())
    throw UsageFailure("--calibration is missing: samples to choose ranges from, or a --recipe that holds them");
  if (!arguments.metric.labels.empty() && arguments.validation.empty())
    throw UsageFailure("--labels belong to the samples of --validation, which is missing");
  if (!arguments.validation.empty() && !arguments.metric.takesSamples())
    throw UsageFailure("--evaluate brings its own samples: it does not go with --validation");
}

QuantizeOptions optionsOf(const QuantizeArguments &arguments) {
  QuantizeOptions options = arguments.options;
  checkUsage(arguments);
  std::optional<RangeMethod> method = rangeMethodNamed(arguments.method);
  if (!method)
    throw UsageFailure("--method '" + arguments.method + "': the methods are " + rangeMethodNames());
  options.method = *method;
  options.techniques.equalization = equalizationFrom(arguments.equalization);
  if (!arguments.activations.empty())
    options.techniques.symmetric = arguments.activations == kSymmetric;
  if (!arguments.type.empty())
    options.techniques.float8 = arguments.type == kFloat8;
  options.halvesFallback = arguments.fallback == kHalf;
  if (!arguments.rankBy.empty())
    options.rankBy = rankByFrom(arguments.rankBy == kMetric);
  options.path = arguments.model;
  options.measureErrors = arguments.report || !arguments.html.empty();
  if (!arguments.maxDrop.empty())
    options.maxDrop = budgetOf(arguments.maxDrop, !arguments.metric.script.empty());
  else if (!arguments.validation.empty() || !arguments.metric.name.empty() || !arguments.metric.script.empty())
    options.maxDrop = std::numeric_limits<double>::infinity(); // measured only
  return options;
}

/// The values of all options but those named.
void addOptions(Fingerprint &print, const CLI::App &verb, const std::set<std::string> &except) {
  for (const CLI::Option *option : verb.get_options()) {
    if (option->count() == 0 || except.contains(option->get_name()))
      continue;
    print.add(option->get_name());
    for (const std::string &value : option->results())
      print.add(value);
  }
}

StatisticsKeys keysOf(const QuantizeArguments &arguments, const QuantizeOptions &options) {
  // Options that change neither ranges nor measurements, and those that change measurements alone: others that come to be are taken into account.
  const std::set<std::string> asides{"model", "--output", "--threads", "--json", "--quiet", "--report", "--html", "--save-recipe", "--calibration", "--validation", "--labels", "--evaluate", "--rank-by", "--recipe"};
  std::set<std::string> later = asides;
  later.insert({"--type", "--int8", "--fp8", "--activations", "--fallback", "--method", "--percentile", "--max-drop", "--metric", "--evaluate-limit"});
  Fingerprint ranges, measurements;
  for (Fingerprint *print : {&ranges, &measurements}) {
    print->add(tn_version());
    print->addFile(arguments.model);
    print->addArchive(arguments.calibration);
    print->add(options.heldOut ? "held out" : "");
    print->add(leavesOutSamples(options) ? "sieved" : "");
  }
  addOptions(ranges, *arguments.verb, later);
  addOptions(measurements, *arguments.verb, asides);
  measurements.addArchive(arguments.validation);
  for (const std::string &file : {arguments.metric.labels, arguments.metric.script, arguments.recipe})
    measurements.addFile(file);
  return {ranges.value(), measurements.value()};
}

/// Beside the output, where that is a file.
StatisticsFile statisticsBeside(const QuantizeArguments &arguments, const QuantizeOptions &options) {
  std::error_code ignored;
  std::filesystem::file_status status = std::filesystem::status(arguments.output, ignored);
  if (arguments.output == "-" || (std::filesystem::exists(status) && !std::filesystem::is_regular_file(status)))
    return StatisticsFile();
  return StatisticsFile(arguments.output + ".statistics", keysOf(arguments, options));
}

void writeText(const std::string &path, const std::string &text) { writeFile(path, std::as_bytes(std::span(text))); }

Recipe recipeOf(const QuantizeArguments &arguments, const QuantizableModel &model) {
  if (arguments.recipe.empty())
    return Recipe();
  std::vector<std::byte> text = readFile(arguments.recipe);
  return parseRecipe({reinterpret_cast<const char *>(text.data()), text.size()}, arguments.recipe, model);
}

Quantized quantizeShowing(const QuantizeArguments &arguments, QuantizeOptions &options, StatisticsFile &statistics, Dataset *calibration, const MetricMaker &metric) {
  std::vector<std::byte> bytes = readFile(arguments.model);
  QuantizableModel model(bytes, arguments.model);
  Recipe recipe = recipeOf(arguments, model);
  if (std::string note = statistics.read(); !note.empty() && !arguments.quiet)
    std::fprintf(stderr, "note: %s\n", note.c_str());
  options.statistics = &statistics;
  Progress progress("quantize", !arguments.quiet && !arguments.json);
  try {
    return quantize(model, options, recipe, calibration, metric, [&](const char *step, double fraction) { progress.update(step, fraction); });
  } catch (const Failure &failure) {
    if (!statistics.exists())
      throw;
    progress.finish();
    throw Failure(std::string(failure.what()) + "\n" + arguments.output + ".statistics holds what was measured: the next run begins with what still fits");
  }
}

/// --NAME and --no-NAME; neither leaves it to the recipe.
void addTechnique(CLI::App &verb, const std::string &name, std::optional<bool> &value, const std::string &help) {
  std::string other = "--no-" + name.substr(2);
  verb.add_flag_callback(name, [&value] { value = true; }, help);
  verb.add_flag_callback(other, [&value] { value = false; }, "they are not")->excludes(name);
}

} // namespace

int quantizeFile(const QuantizeArguments &arguments, const std::function<void(const Quantized &)> &write) {
  QuantizeOptions options = optionsOf(arguments);
  for (const std::string &path : {arguments.output, arguments.saveRecipe, arguments.html})
    if (!path.empty())
      requireWritable(path); // what takes long is not to be in vain
  std::optional<NpzDataset> calibration, validation;
  if (!arguments.calibration.empty())
    calibration.emplace(arguments.calibration);
  if (!arguments.validation.empty())
    validation.emplace(arguments.validation);
  KeptSamples heldOut("samples held out of " + arguments.calibration, kHeldOutRuns, kHeldOutBytes);
  if (options.maxDrop && !validation && arguments.metric.takesSamples())
    options.heldOut = &heldOut;
  Dataset *measured = validation ? static_cast<Dataset *>(&*validation) : &heldOut;
  MetricMaker metric = chooseMetric(arguments.metric, {arguments.model, options.threads, measured});
  StatisticsFile statistics = statisticsBeside(arguments, options);

  Quantized quantized = quantizeShowing(arguments, options, statistics, calibration ? &*calibration : nullptr, metric);
  for (const std::string &warning : reportWarnings(quantized.report))
    std::fprintf(stderr, "warning: %s\n", warning.c_str());
  write(quantized);
  if (!arguments.saveRecipe.empty())
    writeText(arguments.saveRecipe, recipeJson(quantized.report));
  if (!arguments.html.empty())
    writeText(arguments.html, reportHtml(quantized.report));
  statistics.remove();
  return quantized.report.budget && !quantized.report.budget->isMet ? kBudgetNotMet : 0;
}

void addWeightOptions(CLI::App &verb, QuantizeArguments &arguments) {
  CLI::Option *weights = verb.add_option("--weights", arguments.weights, "int4 or int8: quantize the weights of products alone, in blocks with a scale each; takes no samples")
                             ->type_name("TYPE")->check(CLI::IsMember({"int4", "int8"}));
  weights->each([&arguments](const std::string &type) { arguments.blocks.bits = type == "int4" ? 4 : 8; });
  for (CLI::Option *option : verb.get_options())
    if (option->nonpositional() && option != weights && option != verb.get_help_ptr() && option->get_name() != "--output")
      option->excludes(weights);
  verb.add_option("--group", arguments.blocks.size, "weights in a block: 16, 32 (default), 64, 128 or 256")->type_name("N")->needs(weights)->check(CLI::IsMember({16, 32, 64, 128, 256}));
}

void addTypeOption(CLI::App &verb, QuantizeArguments &arguments) {
  verb.add_option("--type", arguments.type, "what layers compute on: int8 (default), or fp8, floats of 8 bits (e4m3), which GPUs multiply from sm_89 on; raises the model to opset 19")
      ->type_name("TYPE")->check(CLI::IsMember({"int8", kFloat8}));
}

void addQuantizeOptions(CLI::App &verb, QuantizeArguments &arguments) {
  arguments.verb = &verb;
  verb.add_option("--calibration", arguments.calibration, ".npz with an array for each input: NAME or in:NAME, samples along the first axis")->type_name("FILE");
  verb.add_option("--method", arguments.method, "how ranges are chosen: min-max, moving-average, percentile, mse, entropy; auto: for each tensor that with the least error of the layers that read it; network (default): min-max or mse, whichever leaves the outputs closer")->type_name("METHOD");
  verb.add_option("--percentile", arguments.options.percentile, "of the values that --method percentile keeps inside; 99.99 by default")->type_name("P");
  addTechnique(verb, "--equalization", arguments.equalization, "channels are scaled to like ranges, where that leaves the float model what it is; by default those that depthwise convolutions alone read");
  addTechnique(verb, "--bias-correction", arguments.options.techniques.biasCorrection, "biases take the mean error of their layer's results");
  addTechnique(verb, "--adaptive-rounding", arguments.options.techniques.adaptiveRounding, "weights are rounded for their layer's results over the samples, not each for itself");
  verb.add_option("--activations", arguments.activations, "steps from one end of a range to the other (asymmetric, the default), or as many on each side of 0, in bytes with a sign (symmetric)")
      ->type_name("KIND")->check(CLI::IsMember({"asymmetric", kSymmetric}));
  verb.add_option("--samples", arguments.options.limit, "use the first N samples only; all by default")->type_name("N");
  verb.add_option("--max-drop", arguments.maxDrop, "how much of the metric may be lost, as in 0.5%; layers go back to f32 until no more is. Exit code 3 where it is")->type_name("DROP");
  verb.add_option("--metric", arguments.metric.name, "what is measured: cosine (default) or relative-error to the float model; with --labels top1 (default), top5, ..., ap, ap50")->type_name("METRIC");
  verb.add_option("--validation", arguments.validation, ".npz of samples to measure the metric on; a fifth of the calibration's by default")->type_name("FILE");
  verb.add_option("--labels", arguments.metric.labels, "the validation samples' classes: .npy, or text with one number on each line; for ap, their boxes")->type_name("FILE");
  verb.add_option("--evaluate", arguments.metric.script, "a metric of your own: a script that is run with the paths of a plan and its ONNX model and prints the score last")->type_name("SCRIPT");
  verb.add_option("--evaluate-limit", arguments.metric.limit, "how long the script may take at most, as in 90s; 1h by default")->type_name("TIME");
  verb.add_option("--fallback", arguments.fallback, "what those layers compute in: f32 (default) or f16")->type_name("TYPE")->check(CLI::IsMember({"f32", kHalf}));
  verb.add_option("--rank-by", arguments.rankBy, "which layers go first: those that alone cost most of the metric, or of the outputs; by default the metric, where all layers are measured in half an hour")
      ->type_name("WHAT")->check(CLI::IsMember({kMetric, kOutputs}));
  verb.add_option("--recipe", arguments.recipe, "bits and ranges that were saved, and perhaps edited; samples are needed for what it leaves out")->type_name("FILE");
  verb.add_option("--save-recipe", arguments.saveRecipe, "write bits and ranges as JSON")->type_name("FILE");
  verb.add_option("--html", arguments.html, "a page with what each layer costs, and the distribution of what it reads")->type_name("FILE");
  verb.add_option("--threads", arguments.options.threads, "threads to measure with; one for each core by default")->type_name("N");
}

} // namespace tenon::driver
