// Channels of tensors that can be scaled without changing what a network computes: what writes them divides, what reads them multiplies.
#pragma once
#include "onnx-ml.pb.h"

#include <map>
#include <string>
#include <vector>

namespace tenon::driver {

/// Numbers of a constant that belong to a channel: element i to (i / inner) % size, and `size` further for each `groupElements` before it.
struct ChannelConstant {
  int node, input;
  int64_t inner, size;
  int64_t groupElements; // 0: there is one group
  bool reads;            // multiplied with the scale, where what writes the channel is divided by it

  int64_t channelOf(int64_t element) const { return element / inner % size + (groupElements ? element / groupElements * size : 0); }
};

/// Tensors that have to be scaled together, as sums and what only moves or bounds from below tie them to each other.
struct ScalableChannels {
  int64_t channels = 0;
  std::vector<ChannelConstant> constants;

  /// Whether each number that reads them belongs to one channel of a result alone.
  bool isReadByDepthwise() const;
};

/// Those that constants are both written and read with: results of convolutions, products, and normalizations that convolutions and products read, through
/// sums, ReLU and pooling. A bound that is not 0 (ReLU6), another function, the network's inputs and outputs, and bodies of control flow rule tensors out.
std::vector<ScalableChannels> findScalable(const onnx::GraphProto &graph, const std::map<std::string, const onnx::TensorProto *> &constants);

/// Divides the tensors' channels by these scales. Each constant that is changed becomes a new one; others may read the old one.
void scaleChannels(onnx::ModelProto &model, const ScalableChannels &channels, const std::vector<float> &scales);

} // namespace tenon::driver
