#include "tools/tenon/quantize/Range.h"
#include "tools/tenon/quantize/Float8.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace tenon::driver {

constexpr double kSteps = 255;
// Ranges that are tried by the methods that search: shares of the whole, from narrow to all.
constexpr double kNarrowest = 0.2;
constexpr int kCandidates = 81;

Histogram::Histogram(double low, double high) : first(low), last(high), width((high - low) / kBins), counts(kBins, 0) {}

void Histogram::add(double begin, double end, double count) {
  if (!(width > 0)) {
    counts[0] += count;
    return;
  }
  auto binOf = [&](double value) { return size_t(std::clamp((value - first) / width, 0.0, double(kBins - 1))); };
  size_t from = binOf(begin), to = binOf(end);
  if (from == to || !(end > begin)) {
    counts[from] += count;
    return;
  }
  double left = count;
  for (size_t bin = from; bin < to; bin++) {
    double upTo = std::clamp(first + double(bin + 1) * width, begin, end), since = std::clamp(first + double(bin) * width, begin, end);
    double part = count * (upTo - (bin == from ? begin : since)) / (end - begin);
    counts[bin] += part;
    left -= part;
  }
  counts[to] += std::max(left, 0.0);
}

double Histogram::total() const { return std::accumulate(counts.begin(), counts.end(), 0.0); }

constexpr std::pair<const char *, RangeMethod> kMethods[] = {
    {"min-max", RangeMethod::MinMax}, {"moving-average", RangeMethod::MovingAverage}, {"percentile", RangeMethod::Percentile}, {"mse", RangeMethod::Mse},
    {"entropy", RangeMethod::Entropy}, {"auto", RangeMethod::Auto}, {"network", RangeMethod::Network}};

std::optional<RangeMethod> rangeMethodNamed(const std::string &name) {
  for (const auto &[text, method] : kMethods)
    if (name == text)
      return method;
  return std::nullopt;
}

std::string rangeMethodNames() {
  std::string names;
  for (const auto &known : kMethods)
    names += (names.empty() ? "" : ", ") + std::string(known.first);
  return names;
}

const char *nameOf(RangeMethod method) {
  return std::find_if(std::begin(kMethods), std::end(kMethods), [&](const auto &known) { return known.second == method; })->first;
}

Steps stepsFor(Range range, Activations activations) {
  constexpr double kSmallestScale = 1e-30; // scales and their products stay normal numbers
  constexpr uint8_t kMiddle = 128;
  bool isSymmetric = activations == Activations::Symmetric;
  double low = std::min(range.low, 0.0), high = std::max(range.high, 0.0);
  if (activations == Activations::Floats) {
    double scale = std::max(-low, high) / kLargestFloat8;
    return {scale >= kSmallestScale ? float(scale) : 1.0f, 0, false, true};
  }
  double scale = isSymmetric ? std::max(-low, high) / (kMiddle - 1) : (high - low) / kSteps;
  if (!(scale >= kSmallestScale))
    return {float(1 / kSteps), isSymmetric ? kMiddle : uint8_t(0), isSymmetric};
  if (isSymmetric)
    return {float(scale), kMiddle, true};
  return {float(scale), uint8_t(std::clamp(std::nearbyint(-low / scale), 0.0, kSteps)), false};
}

std::vector<float> roundedTo(Steps steps, const std::vector<float> &values) {
  std::vector<float> rounded;
  rounded.reserve(values.size());
  float zero = steps.zeroPoint;
  for (float value : values)
    rounded.push_back((steps.isFloat ? roundedToFloat8(value / steps.scale) : std::clamp(std::nearbyint(value / steps.scale) + zero, 0.0f, float(kSteps)) - zero) * steps.scale);
  return rounded;
}

namespace {

Range withinPercentile(const Histogram &histogram, double percentile) {
  double outside = histogram.total() * (1 - percentile / 100) / 2, width = (histogram.high() - histogram.low()) / Histogram::kBins, seen = 0;
  size_t first = 0, last = Histogram::kBins - 1;
  while (first < last && (seen += histogram.count(first)) <= outside)
    first++;
  for (seen = 0; last > first && (seen += histogram.count(last)) <= outside;)
    last--;
  return {histogram.low() + double(first) * width, histogram.low() + double(last + 1) * width};
}

double squaredError(const Histogram &histogram, Steps steps) {
  double error = 0;
  for (size_t bin = 0; bin < Histogram::kBins; bin++) {
    if (histogram.count(bin) == 0)
      continue;
    double value = histogram.center(bin);
    double step = steps.isFloat ? double(roundedToFloat8(float(value / steps.scale))) : std::clamp(std::nearbyint(value / steps.scale) + steps.zeroPoint, 0.0, kSteps) - steps.zeroPoint;
    double difference = step * steps.scale - value;
    error += histogram.count(bin) * difference * difference;
  }
  return error;
}

/// Counts without the peak at 0, which ReLU makes and which every range keeps exactly: its part gets as many as its neighbours.
std::vector<double> countsBesideZero(const Histogram &histogram) {
  std::vector<double> counts(Histogram::kBins);
  for (size_t bin = 0; bin < counts.size(); bin++)
    counts[bin] = histogram.count(bin);
  double width = (histogram.high() - histogram.low()) / Histogram::kBins;
  size_t zero = size_t(std::clamp(-histogram.low() / width, 0.0, double(Histogram::kBins - 1)));
  size_t left = zero ? zero - 1 : zero + 1, right = zero + 1 < Histogram::kBins ? zero + 1 : zero - 1;
  counts[zero] = (counts[left] + counts[right]) / 2;
  return counts;
}

/// The divergence (Kullback and Leibler) of what is left after quantization from the values clipped to the range: TensorRT's calibration, S. Migacz, 2017.
double divergence(const Histogram &histogram, Range range) {
  std::vector<double> counts = countsBesideZero(histogram);
  double width = (histogram.high() - histogram.low()) / Histogram::kBins;
  auto binOf = [&](double value) { return int64_t(std::clamp((value - histogram.low()) / width, 0.0, double(Histogram::kBins - 1))); };
  int64_t first = binOf(range.low), last = binOf(range.high);
  size_t size = size_t(last - first + 1);
  std::vector<double> reference(size), coarse(size);
  for (int64_t bin = 0; bin < int64_t(Histogram::kBins); bin++)
    reference[size_t(std::clamp(bin, first, last) - first)] += counts[size_t(bin)];
  // Each step's mass is spread evenly over its bins that hold anything; what was clipped is missing in it.
  constexpr size_t kLevels = 256;
  for (size_t level = 0; level < kLevels; level++) {
    size_t begin = level * size / kLevels, end = std::max((level + 1) * size / kLevels, begin);
    double mass = 0;
    size_t filled = 0;
    for (size_t i = begin; i < end; i++) {
      mass += counts[size_t(first) + i];
      filled += reference[i] > 0;
    }
    for (size_t i = begin; i < end; i++)
      if (reference[i] > 0)
        coarse[i] = mass / double(filled);
  }
  double total = std::accumulate(reference.begin(), reference.end(), 0.0), kept = std::accumulate(coarse.begin(), coarse.end(), 0.0), sum = 0;
  if (kept == 0)
    return INFINITY;
  constexpr double kFloor = 1e-12; // for what clipping has emptied
  for (size_t i = 0; i < size; i++)
    if (reference[i] > 0)
      sum += reference[i] / total * std::log(reference[i] / total / std::max(coarse[i] / kept, kFloor));
  return sum;
}

/// The share of the whole range with the least cost; among equal ones the widest.
template <typename Cost> Range leastCost(const Histogram &histogram, Cost cost) {
  Range best;
  double least = INFINITY;
  for (int i = kCandidates - 1; i >= 0; i--) {
    double share = kNarrowest + (1 - kNarrowest) * i / (kCandidates - 1);
    Range range{histogram.low() * share, histogram.high() * share};
    // A range that does not hold 0 is widened to it, and not moved.
    range.low = std::min(range.low, 0.0), range.high = std::max(range.high, 0.0);
    double found = cost(histogram, range);
    if (found < least)
      least = found, best = range;
  }
  return std::isinf(least) ? Range{histogram.low(), histogram.high()} : best;
}

} // namespace

double relativeSquaredError(const Histogram &histogram, Steps steps) {
  double squares = 0;
  for (size_t bin = 0; bin < Histogram::kBins; bin++)
    squares += histogram.count(bin) * histogram.center(bin) * histogram.center(bin);
  return squares > 0 ? squaredError(histogram, steps) / squares : 0;
}

Range chooseRange(const Histogram &histogram, RangeMethod method, double percentile, Activations activations) {
  if (!(histogram.high() > histogram.low()))
    return {histogram.low(), histogram.high()};
  switch (method) {
  case RangeMethod::MinMax:
  case RangeMethod::MovingAverage:
  case RangeMethod::Auto:
  case RangeMethod::Network:
    break;
  case RangeMethod::Percentile:
    return withinPercentile(histogram, percentile);
  case RangeMethod::Mse:
    return leastCost(histogram, [&](const Histogram &all, Range range) { return squaredError(all, stepsFor(range, activations)); });
  case RangeMethod::Entropy:
    return leastCost(histogram, divergence);
  }
  return {histogram.low(), histogram.high()};
}

} // namespace tenon::driver
