// Weights of products in few bits, in blocks with a scale each; all else stays in f32, and no samples are looked at.
#pragma once
#include "tools/tenon/quantize/QuantizableModel.h"
#include "tools/tenon/quantize/WeightBlocks.h"

namespace tenon::driver {

struct BlockedLayer {
  std::string name, type;
  bool isBlocked = false; // false: it stays in f32
  double error = 0;       // squared, of its weights, relative to their squares
};

struct BlockedModel {
  std::string model;
  std::vector<BlockedLayer> layers; // products with known weights
  size_t blockedLayers() const;
};

/// The weights of MatMul and Gemm nodes in blocks along what they sum over. Throws Failure where no product has known weights of a block at least; `path` is for messages.
BlockedModel quantizeWeights(const QuantizableModel &model, const BlockOptions &options, const std::string &path);

/// A table of the products, and the same for programs.
std::string blockedText(const BlockedModel &model, const BlockOptions &options);
std::string blockedJson(const BlockedModel &model, const BlockOptions &options);

} // namespace tenon::driver
