#include "tools/tenon/quantize/HtmlReport.h"
#include "tools/tenon/quantize/HistogramSvg.h"

#include <algorithm>
#include <cmath>

namespace tenon::driver {
namespace {

constexpr const char *kStyle = R"(
  :root { color-scheme: light dark; --page: #f6f7f9; --card: #fff; --ink: #1c2430; --soft: #69758a; --line: #e3e7ee;
          --bar: #4c7fc4; --clip: #d9822b; --range: #2f9e63; --warm: #b4511e; --tint: #fdf1e7; --eight: #e5f3ea; --eight-ink: #1f7a48; }
  @media (prefers-color-scheme: dark) {
    :root { --page: #12161c; --card: #1a2028; --ink: #dfe5ee; --soft: #8e9bb0; --line: #2b333f;
            --bar: #6ea3e8; --clip: #e6a15c; --range: #57c98d; --warm: #f0a070; --tint: #33261b; --eight: #1d3a2a; --eight-ink: #7fdba9; } }
  * { box-sizing: border-box; }
  body { font: 14px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; color: var(--ink); background: var(--page); max-width: 76rem; margin: 0 auto; padding: 2.5rem 1.25rem 4rem; }
  h1 { font-size: 1.6rem; margin: 0; overflow-wrap: anywhere; }
  .soft { color: var(--soft); }
  .cards { display: flex; flex-wrap: wrap; gap: .9rem; margin: 1.5rem 0; }
  .card { background: var(--card); border: 1px solid var(--line); border-radius: 10px; padding: .8rem 1.1rem; min-width: 11rem; flex: 1; }
  .card b { display: block; font-size: 1.45rem; font-weight: 600; font-variant-numeric: tabular-nums; }
  .missed b { color: var(--warm); }
  .note { background: var(--tint); border-left: 3px solid var(--clip); border-radius: 4px; padding: .5rem .9rem; margin: .5rem 0; overflow-wrap: anywhere; }
  .sheet { background: var(--card); border: 1px solid var(--line); border-radius: 10px; overflow-x: auto; margin-top: 1.5rem; }
  table { border-collapse: collapse; width: 100%; }
  th, td { text-align: left; padding: .55rem .9rem; border-top: 1px solid var(--line); vertical-align: middle; }
  thead th { border-top: 0; color: var(--soft); font-weight: 500; font-size: .85rem; vertical-align: bottom; }
  td.name { overflow-wrap: anywhere; min-width: 9rem; }
  .number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
  .small { font-size: .85rem; }
  .bits { display: inline-block; border-radius: 99px; padding: 0 .6rem; background: var(--eight); color: var(--eight-ink); font-weight: 600; }
  .float .bits { background: var(--tint); color: var(--warm); }
  .meter { width: 6rem; height: 4px; border-radius: 2px; background: var(--line); margin: 3px 0 0 auto; }
  .meter div { height: 4px; border-radius: 2px; background: var(--bar); }
  .meter .before { background: var(--soft); }
  .meter .cost { background: var(--clip); }
  svg { display: block; }
  .bar { fill: var(--bar); } .clipped { fill: var(--clip); } .axis { fill: var(--line); } .range { fill: var(--range); }
  .tick { fill: var(--soft); font-size: 10px; font-family: inherit; }
  .keys { white-space: nowrap; }
  .key { display: inline-block; width: .7rem; height: .7rem; border-radius: 2px; margin: 0 .3rem 0 .8rem; }
)";

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

std::string meter(const char *kind, double share) {
  return std::string("<div class=meter><div class=") + kind + " style=\"width:" + formatted("%.1f", 100 * std::clamp(share, 0.0, 1.0)) + "%\"></div></div>";
}

/// What the meters of all rows are relative to.
struct Scales {
  double error = 0, drop = 0, seconds = 0;
};

/// In microseconds below a millisecond, where thousandths of one would show nothing.
std::string durationText(double seconds) { return seconds < 1e-3 ? formatted("%.1f", seconds * 1e6) + " µs" : formatted("%.3f", seconds * 1e3) + " ms"; }

std::string timeCell(const LayerReport &layer, const Scales &scales) {
  std::string cell = "<td class=number>";
  if (layer.seconds)
    cell += durationText(*layer.seconds) + meter("now", *layer.seconds / scales.seconds);
  if (layer.floatSeconds)
    cell += "<span class=\"soft small\">f32 " + durationText(*layer.floatSeconds) + "</span>" + meter("before", *layer.floatSeconds / scales.seconds);
  return cell + "</td>";
}

std::string rowOf(const LayerReport &layer, const QuantizationReport &report, const Scales &scales) {
  auto input = std::find_if(report.tensors.begin(), report.tensors.end(), [&](const TensorReport &tensor) { return tensor.name == layer.input; });
  bool isKnown = input != report.tensors.end();
  std::string row = layer.bits == 8 ? "<tr>" : "<tr class=float>";
  row += "<td class=name>" + escaped(layer.name) + "<br><span class=\"soft small\">" + escaped(layer.type) + " of " + escaped(layer.input) + "</span></td>";
  row += "<td><span class=bits>" + (layer.bits == 8 ? std::to_string(layer.bits) : "f" + std::to_string(layer.bits)) + "</span></td>";
  row += "<td>" + (isKnown && input->seen ? histogramSvg(*input) : "") + "</td>";
  row += "<td class=number>" + (isKnown ? formatted("%.4g", input->range.low) + " … " + formatted("%.4g", input->range.high) + "<br><span class=\"soft small\">" + input->method + "</span>" : "") + "</td>";
  row += "<td class=number>" + (layer.error ? formatted("%.3g", *layer.error * 100) + " %" + meter("cost", *layer.error / scales.error) : "") + "</td>";
  if (report.hasDrops())
    row += "<td class=number>" + (layer.drop ? formatted("%.3g", *layer.drop) + meter("cost", *layer.drop / scales.drop) : "") + "</td>";
  return row + timeCell(layer, scales) + "</tr>\n";
}

std::string card(const std::string &value, const std::string &what, bool isMissed = false) {
  return std::string("<div class=\"card") + (isMissed ? " missed" : "") + "\"><b>" + value + "</b><span class=soft>" + what + "</span></div>\n";
}

std::string budgetCard(const BudgetReport &budget) {
  std::string what = escaped(budget.metric) + " " + formatted("%.5g", budget.score) + ", in f32 " + formatted("%.5g", budget.floatScore);
  if (std::isfinite(budget.maxDrop))
    what += std::string(budget.isMet ? "; within " : "; more than ") + formatted("%.3g", budget.maxDrop);
  return card(formatted("%.3g", budget.drop()), "drop of " + what, !budget.isMet);
}

std::string cardsOf(const QuantizationReport &report) {
  std::string cards = card(std::to_string(report.quantizedLayers()) + " of " + std::to_string(report.layers.size()), "layers in " + std::string(report.typeText()));
  if (report.budget)
    cards += budgetCard(*report.budget);
  if (report.times)
    cards += card(formatted("%.3g", report.times->seconds * 1e3) + " ms", "for a run here; in f32 " + formatted("%.3g", report.times->floatSeconds * 1e3) + " ms, " +
                                                                              formatted("%.2g", report.times->floatSeconds / report.times->seconds) + " times as long");
  if (report.samples)
    cards += card(std::to_string(report.samples), "samples calibrated with");
  return "<div class=cards>\n" + cards + "</div>\n";
}

Scales scalesOf(const QuantizationReport &report) {
  Scales scales{1e-30, 1e-30, 1e-30};
  for (const LayerReport &layer : report.layers) {
    scales.error = std::max(scales.error, layer.error.value_or(0));
    scales.drop = std::max(scales.drop, layer.drop.value_or(0));
    scales.seconds = std::max({scales.seconds, layer.seconds.value_or(0), layer.floatSeconds.value_or(0)});
  }
  return scales;
}

/// The head of the table. The drop, where there is one, is that of the budget's metric.
std::string headOf(const QuantizationReport &report) {
  std::string drop = report.hasDrops() && report.budget ? "<th class=number>drop of " + escaped(report.budget->metric) + "</th>" : "";
  return "<div class=sheet><table><thead><tr><th>layer</th><th>bits</th><th>what it reads<br>"
         "<span class=keys><span class=key style=\"background:var(--bar);margin-left:0\"></span>values, height by logarithm"
         "<span class=key style=\"background:var(--clip)\"></span>clipped<span class=key style=\"background:var(--range)\"></span>range</span></th>"
         "<th class=number>range" + std::string(report.techniques.float8.value_or(false) ? "" : " of 256 steps") + "</th><th class=number>error of the outputs</th>" + drop + "<th class=number>time</th></tr></thead><tbody>\n";
}

/// What the columns mean.
std::string footOf(const QuantizationReport &report) {
  return std::string("</tbody></table></div>\n<p class=\"soft small\">The error is the distance of the network's outputs from the float model's with this layer alone in ") + report.typeText() + ", relative to their length" +
         (report.hasDrops() ? ", and the drop what the metric loses then" : "") +
         ". Times are those of the fastest run on this machine; a kernel that computes several layers is shared among them, and a layer without a time is part of another's kernel.</p>\n</body></html>\n";
}

} // namespace

std::string reportHtml(const QuantizationReport &report) {
  std::string title = escaped(report.model);
  std::string page = "<!doctype html>\n<html lang=en><head><meta charset=utf-8><meta name=viewport content=\"width=device-width\"><title>" + title + " in " + report.typeText() + "</title><style>" + kStyle +
                     "</style></head><body>\n<h1>" + title + "</h1>\n<div class=soft>quantized to " + (report.techniques.float8.value_or(false) ? "floats of 8 bits (e4m3)" : "8 bits") + "</div>\n" + cardsOf(report);
  for (const std::string &warning : reportWarnings(report))
    page += "<p class=note>" + escaped(warning) + "</p>\n";
  page += headOf(report);
  Scales scales = scalesOf(report);
  for (const LayerReport &layer : report.layers)
    page += rowOf(layer, report, scales);
  return page + footOf(report);
}

} // namespace tenon::driver
