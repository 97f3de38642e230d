// Scales of weights, whose rounding errors are compared with those of the plain choice.
#include "tools/tenon/quantize/WeightScales.h"
#include <algorithm>
#include <cmath>
#include <gtest/gtest.h>

namespace tenon::driver {
namespace {

double squaredError(const std::vector<float> &weights, float scale) {
  double sum = 0;
  for (float weight : weights)
    sum += std::pow(double(weight) - std::nearbyint(double(weight) / scale) * scale, 2);
  return sum;
}

TEST(WeightScales, IntegersAreFoundAgain) {
  for (int largest : {1, 5, 63, 64, 90, 126, 127}) {
    std::vector<float> weights;
    for (int i = 0; i < 3000; i++)
      weights.push_back(0.0371f * float(i % (2 * largest + 1) - largest));
    float scale = bestScale(weights);
    EXPECT_LT(std::sqrt(squaredError(weights, scale) / 3000), 1e-6) << largest;
    float steps = 0.0371f * float(largest) / scale;
    EXPECT_TRUE(steps > 63.9f && steps < 127.1f) << steps;
  }
}

TEST(WeightScales, AreNeverWorseThanTheWholeRange) {
  std::vector<float> weights;
  for (int i = 0; i < 5000; i++) {
    weights.push_back(std::sin(float(i) * 1.7f) * std::exp(-float(i % 97) / 20));
    if (i % 500 != 7)
      continue;
    float largest = 0;
    for (float weight : weights)
      largest = std::max(largest, std::abs(weight));
    EXPECT_LE(squaredError(weights, bestScale(weights)), squaredError(weights, largest / 127) * (1 + 1e-4)) << i;
  }
}

TEST(WeightScales, ZerosHaveOne) {
  EXPECT_EQ(bestScale({0, 0, -0.0f}), 1);
  EXPECT_EQ(bestScale({1e-36f, 0}), 1);
  EXPECT_EQ(bestScale({}), 1);
}

} // namespace
} // namespace tenon::driver
