// Weights in blocks: scales and codes whose errors are known.
#include "test/unit/codegen/Numbers.h"
#include "tools/tenon/quantize/WeightBlocks.h"
#include <cmath>
#include <gtest/gtest.h>

namespace tenon::driver {
namespace {

double squaredError(const std::vector<float> &weights, const WeightBlocks &blocks) {
  double sum = 0;
  for (size_t i = 0; i < weights.size(); i++) {
    int64_t row = int64_t(i) / blocks.depth, k = int64_t(i) % blocks.depth;
    double left = double(blocks.codes[i]) * blocks.scales[size_t(row * blocks.count() + k / blocks.size)];
    sum += (left - weights[i]) * (left - weights[i]);
  }
  return sum;
}

TEST(WeightBlocks, HoldIntegersExactly) {
  std::vector<float> weights;
  for (int row = 0; row < 2; row++)
    for (int k = 0; k < 40; k++) // the second block of a row has eight
      weights.push_back(k < 32 ? float(k % 15 - 7) * 0.5f : float((k - 32) * 2 - 7) * 4);
  WeightBlocks blocks = blocksOf(weights, 2, {4, 32});
  EXPECT_EQ(blocks.count(), 2);
  ASSERT_EQ(blocks.scales.size(), 4u);
  EXPECT_NEAR(blocks.scales[0], 0.5f, 1e-6);
  EXPECT_LT(squaredError(weights, blocks), 1e-8);
}

TEST(WeightBlocks, AreNoWorseThanTheLargestWeightOnTheLargestCode) {
  for (int bits : {4, 8}) {
    std::vector<float> weights = test::randomNumbers(32 * 64, 5);
    WeightBlocks blocks = blocksOf(weights, 32, {bits, 16}), plain = blocks;
    float largestCode = float((1 << (bits - 1)) - 1);
    for (size_t block = 0; block < blocks.scales.size(); block++) {
      float largest = 0;
      for (size_t i = block * 16; i < block * 16 + 16; i++)
        largest = std::max(largest, std::abs(weights[i]));
      plain.scales[block] = largest / largestCode;
      for (size_t i = block * 16; i < block * 16 + 16; i++) {
        EXPECT_GE(blocks.codes[i], -largestCode - 1);
        EXPECT_LE(blocks.codes[i], largestCode);
        plain.codes[i] = int8_t(std::nearbyint(weights[i] / plain.scales[block]));
      }
    }
    EXPECT_LT(squaredError(weights, blocks), squaredError(weights, plain)) << bits;
  }
}

TEST(WeightBlocks, OfZerosHaveAScale) {
  WeightBlocks blocks = blocksOf(std::vector<float>(32, 0), 1, {4, 32});
  EXPECT_EQ(blocks.scales, std::vector<float>{1});
  EXPECT_EQ(blocks.codes, std::vector<int8_t>(32, 0));
}

} // namespace
} // namespace tenon::driver
