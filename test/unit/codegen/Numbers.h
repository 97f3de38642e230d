// Random contents and comparison for the tests of emitted kernels.
#pragma once
#include <cmath>
#include <gtest/gtest.h>
#include <random>
#include <vector>

namespace tenon::test {

/// `count` normally distributed numbers, the same in every run.
inline std::vector<float> randomNumbers(int64_t count, unsigned seed = 1) {
  std::mt19937 generator(seed);
  std::normal_distribution<float> normal;
  std::vector<float> numbers(count);
  for (float &x : numbers)
    x = normal(generator);
  return numbers;
}

/// Equal up to `tolerance` of the largest expected magnitude (at least 1).
inline void expectNear(const std::vector<float> &got, const std::vector<float> &expected, double tolerance = 1e-5) {
  ASSERT_EQ(got.size(), expected.size());
  double largest = 1;
  for (float x : expected)
    largest = std::max(largest, double(std::abs(x)));
  for (size_t i = 0; i < got.size(); ++i)
    ASSERT_LE(std::abs(double(got[i]) - expected[i]), tolerance * largest) << "at element " << i << ": " << got[i] << ", expected " << expected[i];
}

} // namespace tenon::test
