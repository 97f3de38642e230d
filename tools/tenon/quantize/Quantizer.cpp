#include "tools/tenon/quantize/Quantizer.h"
#include "tools/tenon/Failure.h"
#include "tools/tenon/quantize/AccuracyControl.h"
#include "tools/tenon/quantize/Equalization.h"
#include "tools/tenon/quantize/LayerFit.h"
#include "tools/tenon/quantize/LayerTimes.h"
#include "tools/tenon/quantize/Opset.h"
#include "tools/tenon/quantize/PeekedDataset.h"
#include "tools/tenon/quantize/RangeChoice.h"
#include "tools/tenon/quantize/Sensitivity.h"
#include "tools/tenon/quantize/SievedDataset.h"

#include "onnx-ml.pb.h"

#include <algorithm>
#include <chrono>
#include <cmath>

namespace tenon::driver {
namespace {

// Enough to rank layers by: their errors are far apart.
constexpr size_t kSensitivityRuns = 8, kSensitivityBytes = 256 << 20;
// For rows of what layers read.
constexpr size_t kRowBytes = size_t(512) << 20;
// Whose channels are looked at to equalize them.
constexpr size_t kPeekedRuns = 128, kPeekedBytes = 256 << 20;

class Quantization {
  using Clock = std::chrono::steady_clock;

public:
  Quantization(const QuantizableModel &model, const QuantizeOptions &options, const Recipe &recipe, const ProgressFunction &progress)
      : model(model), options(options), recipe(recipe), progress(progress), inFloat(recipe.inFloat(model)), kept("the calibration's samples", kSensitivityRuns, kSensitivityBytes),
        file(options.statistics ? *options.statistics : unkept) {
    report.model = options.path;
    report.techniques = options.techniques;
    // Others would lose precision, and gain nothing where f16 is as small.
    if (*options.techniques.float8)
      for (size_t i = 0; i < inFloat.size(); i++)
        inFloat[i] = inFloat[i] || (!recipe.bitsOf(model.layers()[i]) && !model.isForFloat8(model.layers()[i]));
    if (std::find(inFloat.begin(), inFloat.end(), false) == inFloat.end())
      throw Failure(options.path + ": every layer stays in f32, as the recipe says" + (*options.techniques.float8 ? " or as GPUs cannot multiply it in fp8" : "") + ": there is nothing to quantize");
  }

  Quantized run(Dataset *calibration, const MetricMaker &makeMetric) {
    calibrate(calibration);
    if (*report.techniques.biasCorrection || *report.techniques.adaptiveRounding)
      fit = fitLayers(model, observation, steps, inFloat, {*report.techniques.adaptiveRounding, *report.techniques.biasCorrection, options.threads}, progress);
    observation.rows.clear();
    if (options.maxDrop)
      meetBudget(makeMetric);
    if (options.measureErrors)
      measureErrors();
    std::string quantized = quantizedBut(inFloat);
    describe();
    if (options.measureErrors)
      addTimes(quantized);
    progress("writing", 1);
    return {std::move(quantized), std::move(report)};
  }

private:
  /// Ranges are needed of all tensors where other layers than the recipe's may be in 8 bits for a while.
  std::vector<std::string> neededTensors() const { return options.maxDrop || options.measureErrors ? model.allTensors() : model.tensors(inFloat); }

  const Recipe::Tensor *inRecipe(const std::string &name) const {
    auto known = recipe.tensors.find(name);
    return known == recipe.tensors.end() ? nullptr : &known->second;
  }

  void calibrate(Dataset *calibration) {
    std::vector<std::string> needed = neededTensors();
    auto hasRange = [&](const std::string &name) { return inRecipe(name) && inRecipe(name)->range; };
    bool isComplete = std::all_of(needed.begin(), needed.end(), hasRange);
    if (!calibration && !isComplete)
      throw Failure(options.path + ": tensor '" + *std::find_if_not(needed.begin(), needed.end(), hasRange) + "' has no range in the recipe; give samples to calibrate it with");
    if (calibration) {
      CalibrationOptions settings{options.limit, options.threads, options.heldOut, &kept, needsRows() ? kRowBytes : 0};
      observe(model, options.path, *calibration, settings, file, observation, progress);
    }
    report.samples = observation.samples;
    auto isOpen = [&](const std::string &name) { return !hasRange(name) && methodOf(name) == RangeMethod::Network; };
    if (calibration && std::any_of(needed.begin(), needed.end(), isOpen))
      networkMethod = closerMethod(needed);
    report.method = nameOf(options.method == RangeMethod::Network ? networkMethod : options.method);
    chooseAll(needed, networkMethod);
  }

  /// What the recipe or the options say of a tensor.
  RangeMethod methodOf(const std::string &name) const {
    const Recipe::Tensor *given = inRecipe(name);
    return given && given->method ? *given->method : options.method;
  }

  void chooseAll(const std::vector<std::string> &needed, RangeMethod network) {
    report.tensors.clear();
    steps.clear();
    for (const std::string &name : needed)
      chooseSteps(name, network);
    shareSteps();
  }

  /// Clipping what is rare makes the steps of all else finer. Whether that pays depends on what a network makes of rare values: its outputs tell.
  RangeMethod closerMethod(const std::vector<std::string> &needed) {
    constexpr double kWorthClipping = 0.95; // of the distance without
    progress("methods", 0);
    std::unique_ptr<Metric> agreement = agreementWith(model.original(), Agreement::RelativeError, {options.path, options.threads, &kept});
    /// From the float model's outputs, on some samples.
    auto distanceBy = [&](RangeMethod method) {
      chooseAll(needed, method);
      return -agreement->score(quantizedBut(inFloat));
    };
    try {
      double whole = distanceBy(RangeMethod::MinMax);
      progress("methods", 0.5);
      return distanceBy(RangeMethod::Mse) <= kWorthClipping * whole ? RangeMethod::Mse : RangeMethod::MinMax;
    } catch (const Failure &) { // the outputs are no numbers that can be compared; what else fails, will again
      return RangeMethod::Mse;
    }
  }

  /// What only moves keeps its steps, unless the recipe says otherwise.
  void shareSteps() {
    std::map<std::string, std::string> sources = model.sharedSteps();
    for (TensorReport &tensor : report.tensors) {
      auto source = sources.find(tensor.name);
      const Recipe::Tensor *given = inRecipe(tensor.name);
      if (source == sources.end() || !steps.contains(source->second) || (given && given->range))
        continue;
      auto other = std::find_if(report.tensors.begin(), report.tensors.end(), [&](const TensorReport &each) { return each.name == source->second; });
      tensor.range = other->range;
      tensor.method = other->method;
      tensor.steps = steps[tensor.name] = other->steps;
    }
    shareJoins(sources);
  }

  /// What a Concat joins takes one range, that of all, where this is not much wider than that of any: bytes are then joined as they are, and nothing is
  /// rounded twice. What the recipe gives a range of is left alone, and so is what it is joined with.
  void shareJoins(const std::map<std::string, std::string> &sources) {
    constexpr double kMostWidening = 2;
    struct Joined {
      Range range;
      double narrowest;
    };
    std::map<std::string, Joined> ranges; // by the first of those that have one
    std::map<std::string, std::string> firsts;
    auto firstOf = [&](std::string name) {
      if (auto source = sources.find(name); source != sources.end())
        name = source->second;
      for (auto further = firsts.find(name); further != firsts.end(); further = firsts.find(name))
        name = further->second;
      return name;
    };
    for (const TensorReport &tensor : report.tensors)
      ranges[tensor.name] = {tensor.range, tensor.range.high - tensor.range.low};
    for (const std::vector<std::string> &members : model.joins()) {
      auto isGiven = [&](const std::string &name) { return inRecipe(name) && inRecipe(name)->range; };
      auto isOpen = [&](const std::string &name) { return ranges.contains(firstOf(name)) && !isGiven(name) && !isGiven(firstOf(name)); };
      if (!std::all_of(members.begin(), members.end(), isOpen))
        continue;
      Joined all = ranges[firstOf(members.front())];
      for (const std::string &name : members) {
        const Joined &own = ranges[firstOf(name)];
        all = {{std::min(all.range.low, own.range.low), std::max(all.range.high, own.range.high)}, std::min(all.narrowest, own.narrowest)};
      }
      if (all.range.high - all.range.low > kMostWidening * all.narrowest)
        continue;
      std::string first = firstOf(members.front());
      for (const std::string &name : members)
        if (std::string other = firstOf(name); other != first)
          firsts[other] = first;
      ranges[first] = all;
    }
    for (TensorReport &tensor : report.tensors) {
      auto joined = ranges.find(firstOf(tensor.name));
      if (joined == ranges.end() || (inRecipe(tensor.name) && inRecipe(tensor.name)->range))
        continue;
      tensor.range = joined->second.range;
      tensor.steps = steps[tensor.name] = stepsFor(tensor.range, activations());
    }
  }

  bool needsRows() const {
    auto isAuto = [](const auto &entry) { return entry.second.method == RangeMethod::Auto; };
    return *report.techniques.biasCorrection || *report.techniques.adaptiveRounding || options.method == RangeMethod::Auto || std::any_of(recipe.tensors.begin(), recipe.tensors.end(), isAuto);
  }

  Activations activations() const { return *report.techniques.float8 ? Activations::Floats : *report.techniques.symmetric ? Activations::Symmetric : Activations::Asymmetric; }

  void chooseSteps(const std::string &name, RangeMethod network) {
    TensorReport tensor;
    tensor.name = name;
    auto seen = file.statistics.tensors.find(name);
    const Recipe::Tensor *given = inRecipe(name);
    bool isOpen = methodOf(name) == RangeMethod::Network;
    RangeMethod method = isOpen ? network : methodOf(name);
    tensor.method = nameOf(method);
    if (seen != file.statistics.tensors.end()) {
      RangeChoice choice = RangeChooser(model, observation, options.percentile, activations(), options.threads).choose(name, given && given->range && method == RangeMethod::Auto ? RangeMethod::Mse : method, !isOpen);
      tensor.extremes = {seen->second.low(), seen->second.high()};
      tensor.method = nameOf(choice.method);
      tensor.outliers = choice.outliers.count;
      tensor.outlierLimit = choice.outliers.limit;
      tensor.seen = std::move(choice.seen);
      tensor.range = choice.range;
    }
    if (given && given->range) {
      tensor.range = *given->range;
      tensor.method = given->method ? nameOf(method) : "recipe";
      tensor.outliers = 0;
    }
    tensor.steps = steps[name] = stepsFor(tensor.range, activations());
    report.tensors.push_back(std::move(tensor));
  }

  /// 8 bits are those of layers that `floats` does not name.
  int bitsOf(size_t layer, const QuantizableModel::Floats &floats) const {
    int wished = recipe.bitsOf(model.layers()[layer]).value_or(kQuantizedBits);
    if (!floats[layer])
      return kQuantizedBits;
    return wished != kQuantizedBits ? wished : options.halvesFallback ? kHalfBits : kFloatBits;
  }

  std::string quantizedBut(const QuantizableModel::Floats &floats) const {
    QuantizableModel::Floats halves;
    for (size_t i = 0; i < floats.size(); i++)
      halves.push_back(bitsOf(i, floats) == kHalfBits);
    return model.quantized(steps, floats, halves, fit.constants);
  }

  const std::vector<double> &measureErrors() {
    if (errors.empty())
      errors = measureSensitivity(model, steps, fit.constants, options.path, kept, options.threads, file, progress);
    return errors;
  }

  /// The score of a choice of layers that Statistics::scores names so.
  double scoreOf(Metric &metric, const std::string &choice, const std::function<std::string()> &onnx) {
    auto [known, isNew] = file.statistics.scores.try_emplace(choice, NAN);
    if (!isNew)
      return known->second;
    file.startWork();
    auto begin = Clock::now();
    double score = metric.score(onnx());
    scoreSeconds += std::chrono::duration<double>(Clock::now() - begin).count();
    timedScores++;
    if (std::isnan(score))
      throw Failure(options.path + ": the metric " + metric.name() + " gave NaN; a number was expected");
    known->second = score;
    file.keep();
    return score;
  }

  /// Whether layers may be ranked by so many scores more.
  bool affords(const Metric &metric, size_t scores) const {
    constexpr double kMostSeconds = 1800;
    if (options.rankBy != RankBy::Auto)
      return options.rankBy == RankBy::Metric;
    // Scores of an interrupted run took no time here: the next one tells.
    return !metric.followsOutputs() && (!timedScores || double(scores) * scoreSeconds / timedScores <= kMostSeconds);
  }

  void meetBudget(const MetricMaker &makeMetric) {
    progress("float model", 0);
    std::unique_ptr<Metric> metric = makeMetric(model.original());
    BudgetSearch search{inFloat, scoreOf(*metric, "", [&] { return model.original(); }), *options.maxDrop, [&] { return measureErrors(); }, {}, {}};
    search.affords = [&](size_t scores) {
      progress("drops of layers", 1 - double(scores) / double(inFloat.size()));
      return affords(*metric, scores);
    };
    if (!std::isfinite(search.floatScore))
      throw Failure(options.path + ": the metric " + metric->name() + " gave an infinite score to the float model");
    int measured = 0;
    search.score = [&](const QuantizableModel::Floats &choice) {
      measured++;
      progress("layers in f32", 1 - 1 / double(measured)); // how many there will be is not known
      std::string key;
      for (bool isFloat : choice)
        key += isFloat ? '1' : '0';
      return scoreOf(*metric, key, [&] { return quantizedBut(choice); });
    };
    BudgetResult result = searchBudget(search);
    inFloat = result.inFloat;
    drops = result.drops;
    report.budget = BudgetReport{metric->name(), search.floatScore, result.score, *options.maxDrop, result.isMet, result.measured};
  }

  void describe() {
    for (size_t i = 0; i < inFloat.size(); i++) {
      const QuantizableLayer &layer = model.layers()[i];
      LayerReport described{layer.name, layer.type, layer.input, bitsOf(i, inFloat), {}, {}, {}, {}, {}};
      if (!errors.empty())
        described.error = errors[i];
      if (!drops.empty() && !std::isnan(drops[i]))
        described.drop = drops[i];
      if (auto rounding = fit.roundings.find(i); rounding != fit.roundings.end() && !inFloat[i])
        described.rounding = {rounding->second.before, rounding->second.after};
      report.layers.push_back(std::move(described));
    }
    std::vector<std::string> quantized = model.tensors(inFloat);
    for (TensorReport &tensor : report.tensors)
      tensor.isQuantized = std::find(quantized.begin(), quantized.end(), tensor.name) != quantized.end();
  }

  void addTimes(const std::string &quantized) {
    std::vector<std::string> names;
    for (const LayerReport &layer : report.layers)
      names.push_back(layer.name);
    progress("times", 0);
    ModelTimes before = measureTimes(model.original(), names, options.path, kept, options.threads);
    progress("times", 0.5);
    ModelTimes now = measureTimes(quantized, names, options.path, kept, options.threads);
    for (size_t i = 0; i < names.size(); i++)
      report.layers[i].floatSeconds = before.layers[i], report.layers[i].seconds = now.layers[i];
    report.times = TimesReport{now.total, before.total};
  }

  const QuantizableModel &model;
  const QuantizeOptions &options;
  const Recipe &recipe;
  const ProgressFunction &progress;
  QuantizableModel::Floats inFloat;
  KeptSamples kept;
  StatisticsFile unkept, &file;
  Observation observation{file.statistics.tensors, {}, 0};
  std::map<std::string, Steps> steps;
  RangeMethod networkMethod = RangeMethod::Mse; // what Network stands for
  LayerFit fit;
  std::vector<double> errors; // by layer; empty: not measured
  std::vector<double> drops;  // BudgetResult's
  double scoreSeconds = 0;    // that the metric took, for
  int timedScores = 0;        // of this process
  QuantizationReport report;
};

/// The float model with other constants, by the first samples that are calibrated with.
Equalized equalizeOn(const QuantizableModel &model, const QuantizeOptions &options, PeekedDataset &samples, const ProgressFunction &progress) {
  StatisticsFile unkept;
  Observation observation{unkept.statistics.tensors, {}, 0};
  KeptSamples aside(samples.name(), kPeekedRuns, kPeekedBytes); // what is measured with is not looked at
  observe(model, options.path, samples, {options.limit, options.threads, options.heldOut ? &aside : nullptr, nullptr, kRowBytes}, unkept, observation, progress);
  progress("equalizing", 0);
  samples.continues = true;
  return equalize(model, *options.techniques.equalization, observation.rows, options.threads);
}

/// All of them decided: asked for, the recipe's, or the usual ones where they change anything. A recipe's ranges are those of the channels as they come.
Techniques decidedTechniques(const QuantizableModel &model, const QuantizeOptions &options, const Recipe &recipe, bool hasSamples) {
  Techniques asked = options.techniques.orElse(recipe.techniques);
  if (!hasSamples && asked.needSamples())
    throw Failure(options.path + ": equalization, bias correction and adaptive rounding follow samples, of which there are none; give some, or rule these out");
  bool hasRanges = std::any_of(recipe.tensors.begin(), recipe.tensors.end(), [](const auto &tensor) { return tensor.second.range.has_value(); });
  bool areFloats = asked.float8.value_or(false);
  if (areFloats && asked.adaptiveRounding.value_or(false))
    throw Failure(options.path + ": adaptive rounding chooses among integers; leave it out, or quantize to int8");
  if (areFloats && asked.symmetric == false && options.techniques.symmetric)
    throw Failure(options.path + ": floats of 8 bits lie on both sides of 0; asymmetric activations are int8");
  if (!asked.equalization && (!hasSamples || hasRanges || areFloats)) // floats have an exponent each
    asked.equalization = Equalization::None;
  Techniques decided = asked.orElse(kUsualTechniques);
  if (decided.equalization == Equalization::Depthwise && !canEqualize(model, Equalization::Depthwise))
    decided.equalization = Equalization::None;
  return decided;
}

/// Zero points that are floats of 8 bits came with this opset.
constexpr int64_t kFloat8Opset = 19;

QuantizableModel inFloat8Opset(const QuantizableModel &model, const std::string &path) {
  onnx::ModelProto raised = model.proto();
  raiseOpset(raised, kFloat8Opset, path, "fp8");
  std::string bytes = raised.SerializeAsString();
  return QuantizableModel(std::as_bytes(std::span(bytes)), path);
}

/// `asked`: what the options say of techniques.
Quantized quantizeEqualized(const QuantizableModel &model, const QuantizeOptions &options, const Techniques &asked, const Recipe &recipe, Dataset *calibration, const MetricMaker &makeMetric,
                            const ProgressFunction &progress) {
  if (options.techniques.equalization == Equalization::None)
    return Quantization(model, options, recipe, progress).run(calibration, makeMetric);
  PeekedDataset peeked(*calibration, kPeekedRuns, kPeekedBytes);
  Equalized equalized = equalizeOn(model, options, peeked, progress);
  QuantizableModel other(std::as_bytes(std::span(equalized.model)), options.path);
  Quantized quantized = Quantization(other, options, recipe, progress).run(&peeked, makeMetric);
  quantized.report.equalizedGroups = equalized.groups;
  if (!equalized.groups && !asked.equalization && !recipe.techniques.equalization)
    quantized.report.techniques.equalization = Equalization::None; // its recipe needs no samples
  return quantized;
}

} // namespace

bool leavesOutSamples(const QuantizeOptions &options) { return options.method != RangeMethod::MinMax; }

Quantized quantize(const QuantizableModel &model, const QuantizeOptions &given, const Recipe &recipe, Dataset *calibration, const MetricMaker &makeMetric,
                   const ProgressFunction &progress) {
  QuantizeOptions options = given;
  if (!calibration && (options.maxDrop || options.measureErrors))
    throw Failure(options.path + ": samples are needed to measure what each layer costs");
  options.techniques = decidedTechniques(model, options, recipe, calibration);
  if (*options.techniques.float8 && opsetOf(model.proto()) < kFloat8Opset)
    return quantize(inFloat8Opset(model, options.path), given, recipe, calibration, makeMetric, progress);
  if (!calibration || !leavesOutSamples(options))
    return quantizeEqualized(model, options, given.techniques, recipe, calibration, makeMetric, progress);
  SievedDataset sieved(*calibration);
  Quantized quantized = quantizeEqualized(model, options, given.techniques, recipe, &sieved, makeMetric, progress);
  quantized.report.leftOut = sieved.leftOut();
  return quantized;
}

} // namespace tenon::driver
