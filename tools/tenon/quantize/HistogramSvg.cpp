#include "tools/tenon/quantize/HistogramSvg.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace tenon::driver {
namespace {

constexpr int kBars = 100, kBarWidth = 3, kWidth = kBars * kBarWidth, kFloor = 46, kHeight = 64, kRangeHeight = 3;

/// Counts of the bars.
std::vector<double> barsOf(const Histogram &seen) {
  std::vector<double> bars(kBars, 0);
  for (size_t bin = 0; bin < Histogram::kBins; bin++)
    bars[bin * kBars / Histogram::kBins] += seen.count(bin);
  return bars;
}

std::string barPath(int bar, double share) {
  std::string height = formatted("%.1f", std::max(kFloor * share, 1.0));
  return "M" + std::to_string(bar * kBarWidth) + " " + std::to_string(kFloor) + "v-" + height + "h" + formatted("%.1f", kBarWidth - 0.4) + "v" + height + "z";
}

std::string tick(double x, double value) {
  const char *anchor = x < kWidth * 0.12 ? "start" : x > kWidth * 0.88 ? "end" : "middle";
  return "<text class=tick x=\"" + formatted("%.1f", x) + "\" y=\"" + std::to_string(kHeight - 2) + "\" text-anchor=" + anchor + ">" + formatted("%.3g", value) + "</text>";
}

} // namespace

std::string formatted(const char *format, double value) {
  char text[40];
  std::snprintf(text, sizeof text, format, value);
  return text;
}

std::string histogramSvg(const TensorReport &tensor) {
  const Histogram &seen = *tensor.seen;
  if (!(seen.high() > seen.low()))
    return "<span class=soft>constant</span>";
  auto place = [&](double value) { return std::clamp((value - seen.low()) / (seen.high() - seen.low()), 0.0, 1.0) * kWidth; };
  double low = place(tensor.range.low), high = place(tensor.range.high), zero = place(0);
  std::vector<double> bars = barsOf(seen);
  double highest = std::log1p(*std::max_element(bars.begin(), bars.end()));
  std::string inside, clipped;
  for (int bar = 0; bar < kBars; bar++) {
    if (!(bars[size_t(bar)] > 0))
      continue;
    double middle = (bar + 0.5) * kBarWidth;
    (middle >= low && middle <= high ? inside : clipped) += barPath(bar, std::log1p(bars[size_t(bar)]) / highest);
  }
  std::string size = "width=" + std::to_string(kWidth) + " height=" + std::to_string(kHeight);
  std::string svg = "<svg " + size + " viewBox=\"0 0 " + std::to_string(kWidth) + " " + std::to_string(kHeight) + "\" role=img aria-label=\"distribution of values\">";
  svg += "<path class=bar d=\"" + inside + "\"/><path class=clipped d=\"" + clipped + "\"/>";
  svg += "<rect class=axis y=\"" + std::to_string(kFloor) + "\" width=\"" + std::to_string(kWidth) + "\" height=\"1\"/>";
  svg += "<rect class=range x=\"" + formatted("%.1f", low) + "\" y=\"" + std::to_string(kFloor) + "\" width=\"" + formatted("%.1f", std::max(high - low, 1.0)) + "\" height=\"" +
         std::to_string(kRangeHeight) + "\"/>";
  svg += tick(0, seen.low());
  constexpr double kClear = 45; // of the ticks at the ends
  if (zero > kClear && zero < kWidth - kClear)
    svg += tick(zero, 0);
  return svg + tick(kWidth, seen.high()) + "</svg>";
}

} // namespace tenon::driver
