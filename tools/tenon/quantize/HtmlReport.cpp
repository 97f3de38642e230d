#include "tools/tenon/quantize/HtmlReport.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace tenon::driver {
namespace {

constexpr const char *kStyle = R"(
  :root { color-scheme: light dark; --ink: #222; --soft: #777; --line: #ddd; --bar: #4a7bb5; --float: #b5654a; --range: #3a9a5f; }
  @media (prefers-color-scheme: dark) { :root { --ink: #ddd; --soft: #999; --line: #444; --bar: #7aa7dd; --float: #dd917a; --range: #6ac58e; } }
  body { font: 14px/1.45 system-ui, sans-serif; color: var(--ink); max-width: 70em; margin: 2em auto; padding: 0 1em; }
  table { border-collapse: collapse; width: 100%; }
  th, td { text-align: left; padding: .3em .7em; border-bottom: 1px solid var(--line); vertical-align: middle; }
  th { color: var(--soft); font-weight: normal; }
  .number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
  .float { color: var(--float); }
  .soft { color: var(--soft); }
  td { overflow-wrap: anywhere; }
  svg { display: block; }
)";

std::string formatted(const char *format, double value) {
  char text[40];
  std::snprintf(text, sizeof text, format, value);
  return text;
}

/// Names come from the model: nothing in them is markup.
std::string escaped(const std::string &text) {
  std::string safe;
  for (char c : text) {
    switch (c) {
    case '&':
      safe += "&amp;";
      break;
    case '<':
      safe += "&lt;";
      break;
    case '>':
      safe += "&gt;";
      break;
    case '"':
      safe += "&quot;";
      break;
    default:
      safe += static_cast<unsigned char>(c) < ' ' ? '?' : c;
    }
  }
  return safe;
}

/// Bars for the logarithm of the counts, as the tails decide about ranges, and a line under the range that the steps cover.
std::string histogramSvg(const TensorReport &tensor) {
  constexpr int kBars = 64, kWidth = 256, kHeight = 44, kFloor = 38;
  const Histogram &seen = *tensor.seen;
  if (!(seen.high() > seen.low()))
    return "<span class=soft>constant</span>";
  std::vector<double> bars(kBars, 0);
  for (size_t bin = 0; bin < Histogram::kBins; bin++)
    bars[bin * kBars / Histogram::kBins] += seen.count(bin);
  double highest = std::log1p(*std::max_element(bars.begin(), bars.end()));
  std::string svg = "<svg width=" + std::to_string(kWidth) + " height=" + std::to_string(kHeight) + " role=img><path fill=\"var(--bar)\" d=\"";
  for (int bar = 0; bar < kBars; bar++)
    if (bars[size_t(bar)] > 0) {
      double height = std::max(kFloor * std::log1p(bars[size_t(bar)]) / highest, 0.5);
      svg += "M" + std::to_string(bar * kWidth / kBars) + " " + std::to_string(kFloor) + "v" + formatted("%.1f", -height) + "h3v" + formatted("%.1f", height) + "z";
    }
  auto place = [&](double value) { return std::clamp((value - seen.low()) / (seen.high() - seen.low()), 0.0, 1.0) * kWidth; };
  double low = place(tensor.range.low), high = place(tensor.range.high);
  return svg + "\"/><rect fill=\"var(--range)\" x=\"" + formatted("%.1f", low) + "\" y=\"40\" height=\"3\" width=\"" + formatted("%.1f", std::max(high - low, 1.0)) + "\"/></svg>";
}

std::string rowOf(const LayerReport &layer, const QuantizationReport &report) {
  auto input = std::find_if(report.tensors.begin(), report.tensors.end(), [&](const TensorReport &tensor) { return tensor.name == layer.input; });
  bool isKnown = input != report.tensors.end();
  std::string bits = layer.bits == 8 ? "8" : "<span class=float>32</span>";
  std::string row = "<tr><td>" + escaped(layer.name) + "<br><span class=soft>" + escaped(layer.type) + " of " + escaped(layer.input) + "</span></td><td class=number>" + bits + "</td>";
  row += "<td class=number>" + (isKnown ? formatted("%.4g", input->range.low) + " … " + formatted("%.4g", input->range.high) + "<br><span class=soft>" + input->method + "</span>" : "") + "</td>";
  row += "<td>" + (isKnown && input->seen ? histogramSvg(*input) : "") + "</td>";
  return row + "<td class=number>" + (layer.error ? formatted("%.3g", *layer.error * 100) + " %" : "") + "</td></tr>\n";
}

std::string budgetText(const BudgetReport &budget) {
  std::string text = "<p>" + escaped(budget.metric) + ": " + formatted("%.5g", budget.score) + "; in f32 " + formatted("%.5g", budget.floatScore) + "; drop " + formatted("%.3g", budget.drop());
  if (std::isfinite(budget.maxDrop))
    text += std::string(budget.isMet ? ", within " : ", <b>more</b> than ") + formatted("%.3g", budget.maxDrop);
  return text + ".</p>\n";
}

} // namespace

std::string reportHtml(const QuantizationReport &report) {
  std::string title = escaped(report.model);
  std::string page = "<!doctype html>\n<html lang=en><head><meta charset=utf-8><meta name=viewport content=\"width=device-width\"><title>" + title + " in 8 bits</title><style>" + kStyle +
                     "</style></head><body>\n<h1>" + title + "</h1>\n";
  page += "<p>" + std::to_string(report.quantizedLayers()) + " of " + std::to_string(report.layers.size()) + " layers in 8 bits, from " + std::to_string(report.samples) + " samples.</p>\n";
  if (report.budget)
    page += budgetText(*report.budget);
  for (const std::string &warning : reportWarnings(report))
    page += "<p class=float>" + escaped(warning) + "</p>\n";
  page += "<table><thead><tr><th>layer</th><th class=number>bits</th><th class=number>range of its input</th><th>values of its input: logarithm of how many, and the range</th>"
          "<th class=number>error of the outputs</th></tr></thead><tbody>\n";
  for (const LayerReport &layer : report.layers)
    page += rowOf(layer, report);
  return page + "</tbody></table>\n<p class=soft>The error is the distance of the network's outputs from the float model's with this layer alone in 8 bits, relative to their length.</p>\n</body></html>\n";
}

} // namespace tenon::driver
