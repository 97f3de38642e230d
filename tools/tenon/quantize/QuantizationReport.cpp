#include "tools/tenon/quantize/QuantizationReport.h"
#include "tools/tenon/Table.h"
#include "tools/tenon/quantize/Recipe.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>

namespace tenon::driver {
namespace {

using Json = nlohmann::ordered_json;

std::string formatted(const char *format, double value) {
  char text[40];
  std::snprintf(text, sizeof text, format, value);
  return text;
}

std::string rangeText(Range range) { return formatted("%.4g", range.low) + " .. " + formatted("%.4g", range.high); }

std::string textOf(const Json &json) { return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n"; }

/// JSON has no infinity.
Json numberOf(double value) { return std::isfinite(value) ? Json(value) : Json(nullptr); }

const TensorReport *tensorOf(const QuantizationReport &report, const std::string &name) {
  auto found = std::find_if(report.tensors.begin(), report.tensors.end(), [&](const TensorReport &tensor) { return tensor.name == name; });
  return found == report.tensors.end() ? nullptr : &*found;
}

std::string budgetLine(const BudgetReport &budget) {
  std::string line = budget.metric + " " + formatted("%.5g", budget.score) + ", in f32 " + formatted("%.5g", budget.floatScore) + ": drop " + formatted("%.3g", budget.drop());
  if (std::isfinite(budget.maxDrop))
    line += (budget.isMet ? ", within " : ", more than ") + formatted("%.3g", budget.maxDrop) + "; " + std::to_string(budget.measured) + (budget.measured > 1 ? " choices" : " choice") + " measured";
  return line + "\n";
}

std::string microsecondsText(std::optional<double> seconds) { return seconds ? formatted("%.1f", *seconds * 1e6) : ""; }

std::string timesLine(const TimesReport &times) {
  return "a run takes " + formatted("%.4g", times.seconds * 1e3) + " ms here, the float model's " + formatted("%.4g", times.floatSeconds * 1e3) + " ms\n";
}

Json millisecondsOf(std::optional<double> seconds) { return seconds ? Json(*seconds * 1e3) : Json(nullptr); }

Json budgetJson(const BudgetReport &budget) {
  return {{"metric", budget.metric}, {"float", numberOf(budget.floatScore)}, {"quantized", numberOf(budget.score)}, {"drop", numberOf(budget.drop())},
          {"max_drop", numberOf(budget.maxDrop)}, {"met", budget.isMet}, {"measured", budget.measured}};
}

void addTechniques(Json &json, const Techniques &techniques) {
  Equalization equalization = techniques.equalization.value_or(Equalization::None);
  json[kEqualization] = equalization == Equalization::Depthwise ? Json(kDepthwise) : Json(equalization == Equalization::All);
  for (const NamedTechnique &technique : kTechniques)
    json[technique.name] = (techniques.*technique.value).value_or(false);
}

} // namespace

size_t QuantizationReport::quantizedLayers() const {
  return size_t(std::count_if(layers.begin(), layers.end(), [](const LayerReport &layer) { return layer.bits == kQuantizedBits; }));
}

size_t QuantizationReport::quantizedTensors() const {
  return size_t(std::count_if(tensors.begin(), tensors.end(), [](const TensorReport &tensor) { return tensor.isQuantized; }));
}

bool QuantizationReport::hasDrops() const {
  return std::any_of(layers.begin(), layers.end(), [](const LayerReport &layer) { return layer.drop.has_value(); });
}

std::string reportText(const QuantizationReport &report, ReportedLayers layers) {
  std::vector<Table::Column> columns{{"layer", Align::Left}, {"", Align::Left}, {"bits", Align::Right}, {"range of its input", Align::Left}, {"error", Align::Right}, {"us", Align::Right}, {"f32, us", Align::Right}};
  if (report.hasDrops())
    columns.push_back({"drop", Align::Right});
  Table table(columns);
  bool isEmpty = true;
  for (const LayerReport &layer : report.layers) {
    if (layers == ReportedLayers::Floats && layer.bits == kQuantizedBits)
      continue;
    isEmpty = false;
    const TensorReport *input = tensorOf(report, layer.input);
    std::string name = foreignText(layer.name, 40), error = layer.error ? formatted("%.3g", *layer.error * 100) + " %" : "";
    std::vector<std::string> cells{name, layer.type, std::to_string(layer.bits), input ? rangeText(input->range) : "", error, microsecondsText(layer.seconds), microsecondsText(layer.floatSeconds)};
    if (report.hasDrops())
      cells.push_back(layer.drop ? formatted("%.3g", *layer.drop) : "");
    table.add(cells);
  }
  return (isEmpty ? "" : table.text()) + (report.times ? timesLine(*report.times) : "") + (report.budget ? budgetLine(*report.budget) : "");
}

std::string reportJson(const QuantizationReport &report) {
  Json json = {{"model", report.model}, {"samples", report.samples}, {"method", report.method}};
  addTechniques(json, report.techniques);
  json["equalized_groups"] = report.equalizedGroups;
  json["layers"] = json["tensors"] = json["left_out"] = Json::array();
  for (const OutlyingSample &sample : report.leftOut)
    json["left_out"].push_back({{"sample", sample.sample}, {"input", sample.input}, {"magnitude", sample.magnitude}, {"limit", sample.limit}});
  for (const LayerReport &layer : report.layers) {
    Json entry = {{"name", layer.name}, {"type", layer.type}, {"bits", layer.bits}, {"input", layer.input}, {"error", nullptr}};
    if (const TensorReport *input = tensorOf(report, layer.input))
      entry["range"] = {input->range.low, input->range.high};
    if (layer.error)
      entry["error"] = numberOf(*layer.error);
    entry["drop"] = layer.drop ? numberOf(*layer.drop) : Json(nullptr);
    if (layer.rounding)
      entry["rounding"] = {{"nearest", layer.rounding->nearest}, {"adapted", layer.rounding->adapted}};
    entry["ms"] = millisecondsOf(layer.seconds);
    entry["float_ms"] = millisecondsOf(layer.floatSeconds);
    json["layers"].push_back(std::move(entry));
  }
  for (const TensorReport &tensor : report.tensors)
    json["tensors"].push_back({{"name", tensor.name}, {"quantized", tensor.isQuantized}, {"method", tensor.method}, {"min", tensor.extremes.low}, {"max", tensor.extremes.high},
                               {"low", tensor.range.low}, {"high", tensor.range.high}, {"scale", tensor.steps.scale}, {"zero_point", tensor.steps.writtenZeroPoint()}, {"outliers", tensor.outliers}});
  if (report.times)
    json["times"] = {{"ms", report.times->seconds * 1e3}, {"float_ms", report.times->floatSeconds * 1e3}};
  if (report.budget)
    json["budget"] = budgetJson(*report.budget);
  return textOf(json);
}

std::string recipeJson(const QuantizationReport &report) {
  Json json = {{"recipe", 1}, {"model", report.model}};
  addTechniques(json, report.techniques);
  json["layers"] = json["tensors"] = Json::array();
  for (const LayerReport &layer : report.layers) {
    Json entry = {{"name", layer.name}, {"bits", layer.bits}, {"input", layer.input}};
    if (layer.error)
      entry["error"] = numberOf(*layer.error);
    json["layers"].push_back(std::move(entry));
  }
  for (const TensorReport &tensor : report.tensors) {
    Json entry = {{"name", tensor.name}};
    if (rangeMethodNamed(tensor.method))
      entry["method"] = tensor.method;
    entry["low"] = tensor.range.low;
    entry["high"] = tensor.range.high;
    json["tensors"].push_back(std::move(entry));
  }
  return textOf(json);
}

std::vector<std::string> reportWarnings(const QuantizationReport &report) {
  std::vector<std::string> warnings;
  for (const OutlyingSample &sample : report.leftOut)
    warnings.push_back("sample " + std::to_string(sample.sample) + " was left out: its '" + sample.input + "' reaches " + formatted("%.4g", sample.magnitude) + ", far beyond that of all others, which stays within +-" +
                       formatted("%.4g", sample.limit) + " (--method min-max keeps it)");
  for (const TensorReport &tensor : report.tensors) {
    if (tensor.seen && tensor.extremes.low == 0 && tensor.extremes.high == 0)
      warnings.push_back("tensor '" + tensor.name + "' was 0 for every sample: give samples that reach it");
    if (tensor.outliers)
      warnings.push_back("tensor '" + tensor.name + "': " + std::to_string(tensor.outliers) + " values lie far beyond all others, between " + rangeText(tensor.extremes) +
                         "; they are clipped to +-" + formatted("%.4g", tensor.outlierLimit) + " (--method min-max keeps them), but what follows was measured with them");
  }
  if (report.budget && !report.budget->isMet)
    warnings.push_back("the budget cannot be met: the best choice found has " + std::to_string(report.quantizedLayers()) + " of " + std::to_string(report.layers.size()) +
                       " layers in 8 bits and loses " + formatted("%.3g", report.budget->drop()) + "; " + formatted("%.3g", report.budget->maxDrop) + " was allowed");
  return warnings;
}

} // namespace tenon::driver
