#include "tools/tenon/quantize/BlockQuantization.h"
#include "tools/tenon/Failure.h"
#include "tools/tenon/Table.h"
#include "tools/tenon/quantize/QuantizedWriter.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>

namespace tenon::driver {
namespace {

double relativeError(const std::vector<float> &weights, const WeightBlocks &blocks) {
  double lost = 0, whole = 0;
  for (int64_t row = 0; row < blocks.rows; row++)
    for (int64_t i = 0; i < blocks.depth; i++) {
      size_t at = size_t(row * blocks.depth + i);
      double weight = weights[at], left = double(blocks.codes[at]) * blocks.scales[size_t(row * blocks.count() + i / blocks.size)];
      lost += (weight - left) * (weight - left);
      whole += weight * weight;
    }
  return whole > 0 ? lost / whole : 0;
}

bool isProduct(const QuantizableLayer &layer) { return layer.type == "MatMul" || layer.type == "Gemm"; }

/// What is added to the product's results is known, or nothing is.
bool hasKnownBias(const QuantizableModel &model, const QuantizableLayer &layer) {
  const onnx::NodeProto &node = model.proto().graph().node(layer.node);
  return layer.type == "MatMul" || node.input_size() < 3 || node.input(2).empty() || !layer.bias.empty();
}

} // namespace

size_t BlockedModel::blockedLayers() const {
  return size_t(std::count_if(layers.begin(), layers.end(), [](const BlockedLayer &layer) { return layer.isBlocked; }));
}

BlockedModel quantizeWeights(const QuantizableModel &model, const BlockOptions &options, const std::string &path) {
  BlockedModel result;
  FittedConstants none;
  WeightScales scales;
  QuantizedWriter writer(model.proto(), scales, none);
  for (const QuantizableLayer &layer : model.layers()) {
    if (!isProduct(layer))
      continue;
    LayerShape shape = model.shapeOf(layer);
    result.layers.push_back({layer.name, layer.type, shape.depth >= options.size && hasKnownBias(model, layer), 0});
    if (!result.layers.back().isBlocked)
      continue;
    std::vector<float> weights = shape.weightRows(model.weightOf(layer));
    WeightBlocks blocks = blocksOf(weights, shape.channels, options);
    result.layers.back().error = relativeError(weights, blocks);
    writer.blockLayer(layer, blocks);
  }
  if (!result.blockedLayers())
    throw Failure(path + ": holds no MatMul or Gemm with known weights that sums over a block of " + std::to_string(options.size) + " at least: there is nothing to quantize");
  result.model = writer.finish();
  return result;
}

std::string blockedText(const BlockedModel &model, const BlockOptions &options) {
  Table table({{"product", Align::Left}, {"", Align::Left}, {"bits", Align::Right}, {"error of its weights", Align::Right}});
  for (const BlockedLayer &layer : model.layers) {
    char error[40];
    std::snprintf(error, sizeof error, "%.3g %%", std::sqrt(layer.error) * 100);
    table.add({foreignText(layer.name, 40), layer.type, std::to_string(layer.isBlocked ? options.bits : 32), layer.isBlocked ? error : ""});
  }
  return table.text();
}

std::string blockedJson(const BlockedModel &model, const BlockOptions &options) {
  nlohmann::ordered_json json = {{"group", options.size}, {"layers", nlohmann::ordered_json::array()}};
  for (const BlockedLayer &layer : model.layers)
    json["layers"].push_back({{"name", layer.name}, {"type", layer.type}, {"bits", layer.isBlocked ? options.bits : 32}, {"error", std::sqrt(layer.error)}});
  return json.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

} // namespace tenon::driver
