#include "tools/tenon/quantize/WeightScales.h"
#include "tools/tenon/quantize/Float8.h"
#include "tools/tenon/quantize/QuantizedWriter.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace tenon::driver {
namespace {

constexpr size_t kLanes = 16, kBlock = 1024;

/// The sum of squared distances from whole numbers of steps, in steps; sums end where they exceed `most`.
double roundingError(const std::vector<float> &weights, float stepsPerUnit, double most) {
  constexpr float kRound = 1.5f * (1 << 23); // adding it rounds small numbers to integers
  double sum = 0;
  for (size_t begin = 0; begin < weights.size() && sum <= most; begin += kBlock) {
    size_t end = std::min(begin + kBlock, weights.size()), i = begin;
    float lanes[kLanes] = {};
    for (; i + kLanes <= end; i += kLanes)
      for (size_t lane = 0; lane < kLanes; lane++) {
        float steps = weights[i + lane] * stepsPerUnit, difference = steps - ((steps + kRound) - kRound);
        lanes[lane] += difference * difference;
      }
    for (; i < end; i++) {
      float steps = weights[i] * stepsPerUnit, difference = steps - ((steps + kRound) - kRound);
      lanes[0] += difference * difference;
    }
    for (float lane : lanes)
      sum += double(lane);
  }
  return sum;
}

/// The sum of squared distances from floats of 8 bits times the scale.
double floatError(const std::vector<float> &weights, float scale) {
  double sum = 0;
  for (float weight : weights) {
    double difference = double(roundedToFloat8(weight / scale)) * scale - weight;
    sum += difference * difference;
  }
  return sum;
}

/// An octave of scales, as their floats look the same in the next one.
float bestFloatScale(const std::vector<float> &channel, float largest) {
  constexpr int kTries = 16;
  double least = std::numeric_limits<double>::infinity();
  float best = 0;
  for (int i = 0; i < kTries; i++) {
    float scale = largest / kLargestFloat8 * std::exp2(float(i) / kTries);
    double error = floatError(channel, scale);
    if (error < least)
      least = error, best = scale;
  }
  return best;
}

} // namespace

float bestScale(const std::vector<float> &channel, WeightCodes codes) {
  constexpr int kFewest = 64, kMost = 127;
  constexpr float kSmallestScale = 1e-30f;
  float largest = 0;
  for (float weight : channel)
    largest = std::max(largest, std::abs(weight));
  if (!(largest / kMost >= kSmallestScale))
    return 1;
  if (codes == WeightCodes::Floats)
    return bestFloatScale(channel, largest);
  double least = std::numeric_limits<double>::infinity();
  float best = 0;
  for (int steps = kMost; steps >= kFewest; steps--) {
    double unit = double(largest) / steps, error = roundingError(channel, float(1 / unit), least / (unit * unit)) * unit * unit;
    if (error < least)
      least = error, best = largest / float(steps);
  }
  return best;
}

const std::vector<float> &WeightScales::of(const std::string &name, const onnx::TensorProto &weight, int64_t axis, WeightCodes codes) {
  auto [entry, isNew] = known.try_emplace({name, axis, codes});
  if (!isNew)
    return entry->second;
  std::vector<float> values = floatsOf(weight, name), channel;
  size_t channels = size_t(weight.dims(int(axis))), inner = 1;
  for (int i = int(axis) + 1; i < weight.dims_size(); i++)
    inner *= size_t(weight.dims(i));
  for (size_t c = 0; c < channels; c++) {
    channel.clear();
    for (size_t begin = c * inner; begin < values.size(); begin += channels * inner)
      channel.insert(channel.end(), values.begin() + int64_t(begin), values.begin() + int64_t(begin + inner));
    entry->second.push_back(bestScale(channel, codes));
  }
  return entry->second;
}

} // namespace tenon::driver
