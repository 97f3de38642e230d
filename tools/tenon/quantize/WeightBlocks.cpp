#include "tools/tenon/quantize/WeightBlocks.h"

#include <algorithm>
#include <cmath>

namespace tenon::driver {
namespace {

struct Block {
  const float *weights;
  int64_t count;
  float lowest, highest; // codes

  float code(int64_t i, float scale) const { return std::clamp(std::nearbyint(weights[i] / scale), lowest, highest); }
  double error(float scale) const {
    double sum = 0;
    for (int64_t i = 0; i < count; i++) {
      double difference = double(code(i, scale)) * scale - weights[i];
      sum += difference * difference;
    }
    return sum;
  }

  float bestScale() const {
    constexpr float kFewest = 0.8f, kMost = 1.15f, kStep = 0.05f; // of the largest code; above 1 the largest weight is clipped, where it is not negative
    constexpr float kSmallestScale = 1e-30f;
    float largest = 0, best = 1;
    for (int64_t i = 0; i < count; i++)
      largest = std::max(largest, std::abs(weights[i]));
    if (!(largest / highest >= kSmallestScale))
      return 1;
    double least = INFINITY;
    for (int step = 0; float(step) * kStep <= kMost - kFewest; step++) {
      float scale = largest / (highest * (kFewest + float(step) * kStep));
      if (double found = error(scale); found < least)
        least = found, best = scale;
    }
    return best;
  }
};

} // namespace

WeightBlocks blocksOf(const std::vector<float> &weights, int64_t rows, const BlockOptions &options) {
  WeightBlocks blocks{options.bits, rows, rows ? int64_t(weights.size()) / rows : 0, options.size, {}, {}};
  float highest = float((1 << (options.bits - 1)) - 1);
  blocks.codes.reserve(weights.size());
  for (int64_t row = 0; row < rows; row++)
    for (int64_t begin = 0; begin < blocks.depth; begin += blocks.size) {
      Block block{weights.data() + row * blocks.depth + begin, std::min(blocks.size, blocks.depth - begin), -highest - 1, highest};
      float scale = block.bestScale();
      blocks.scales.push_back(scale);
      for (int64_t i = 0; i < block.count; i++)
        blocks.codes.push_back(int8_t(block.code(i, scale)));
    }
  return blocks;
}

} // namespace tenon::driver
