// Scales of constant weights: one for each result channel.
#pragma once
#include "tools/tenon/quantize/Range.h"

#include <map>
#include <string>
#include <tuple>
#include <vector>

namespace onnx {
class TensorProto;
}

namespace tenon::driver {

/// Scales with the least squared error among those that put a channel's largest weight on 64 to 127, of floats on 224 to 448: never worse than the end of the
/// range, and exact for weights that were integers once, as those of networks that were quantized before.
class WeightScales {
public:
  /// For each slice along `axis`. They are found once for each tensor. Throws Failure where a weight is not finite.
  const std::vector<float> &of(const std::string &name, const onnx::TensorProto &weight, int64_t axis, WeightCodes codes);

private:
  std::map<std::tuple<std::string, int64_t, WeightCodes>, std::vector<float>> known;
};

/// The scale of one channel; 1 where all its weights are 0.
float bestScale(const std::vector<float> &channel, WeightCodes codes = WeightCodes::Bytes);

} // namespace tenon::driver
