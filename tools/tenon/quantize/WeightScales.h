// Scales of constant weights: one for each result channel.
#pragma once
#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace onnx {
class TensorProto;
}

namespace tenon::driver {

/// Scales for signed bytes with the least squared error among those that put a channel's largest weight on 64 to 127: never worse than 127, and exact for
/// weights that were integers once, as those of networks that were quantized before.
class WeightScales {
public:
  /// For each slice along `axis`. They are found once for each tensor. Throws Failure where a weight is not finite.
  const std::vector<float> &of(const std::string &name, const onnx::TensorProto &weight, int64_t axis);

private:
  std::map<std::pair<std::string, int64_t>, std::vector<float>> known;
};

/// The scale of one channel; 1 where all its weights are 0.
float bestScale(const std::vector<float> &channel);

} // namespace tenon::driver
