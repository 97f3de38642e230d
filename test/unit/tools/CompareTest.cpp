// Comparing outputs with expected ones.
#include "tools/tenon/Compare.h"

#include <cmath>
#include <cstring>
#include <gtest/gtest.h>

namespace tenon::driver {
namespace {

template <typename T> HostTensor make(tn_dtype dtype, std::initializer_list<T> values) {
  HostTensor tensor(dtype, {int64_t(values.size())}, "x");
  std::memcpy(tensor.data.data(), values.begin(), tensor.data.size());
  return tensor;
}

Comparison compareFloats(std::initializer_list<float> actual, std::initializer_list<float> expected, Tolerance tolerance = {}) {
  HostTensor a = make(TN_F32, actual);
  return compare(a.view(), make(TN_F32, expected), tolerance);
}

TEST(Compare, ErrorIsMeasuredAgainstTheLargestExpectedValue) {
  // 2e-4 * 10 = 2e-3 is allowed everywhere, near zero too.
  EXPECT_TRUE(compareFloats({10, 0.0019f}, {10, 0}).equal);
  Comparison worse = compareFloats({10, 0.0021f}, {10, 0});
  EXPECT_FALSE(worse.equal);
  EXPECT_EQ(worse.worstIndex, 1);
  EXPECT_NEAR(worse.allowed, 2e-3, 1e-9);
}

TEST(Compare, TolerancesCanBeSet) {
  EXPECT_FALSE(compareFloats({1.01f}, {1}).equal);
  EXPECT_TRUE(compareFloats({1.01f}, {1}, {.rtol = 0.02}).equal);
  EXPECT_TRUE(compareFloats({1.01f}, {1}, {.rtol = 0, .atol = 0.02}).equal);
}

TEST(Compare, NaNAndInfinityMustBeInTheSamePlace) {
  float nan = NAN, infinity = INFINITY;
  EXPECT_TRUE(compareFloats({nan, infinity, 1}, {nan, infinity, 1}).equal);
  EXPECT_FALSE(compareFloats({nan, 1}, {1, 1}).equal);
  EXPECT_FALSE(compareFloats({1, 1}, {1, nan}).equal);
  EXPECT_FALSE(compareFloats({infinity}, {-infinity}).equal);
  EXPECT_FALSE(compareFloats({1e30f}, {infinity}).equal);
}

TEST(Compare, IntegersMustBeEqual) {
  HostTensor a = make<int32_t>(TN_I32, {1, 2, 3}), b = make<int32_t>(TN_I32, {1, 2, 4});
  EXPECT_TRUE(compare(a.view(), a, {.rtol = 0.5}).equal);
  Comparison different = compare(a.view(), b, {.rtol = 0.5});
  EXPECT_FALSE(different.equal);
  EXPECT_EQ(different.worstIndex, 2);
}

TEST(Compare, TypesAndShapesMustBeEqual) {
  HostTensor a = make<float>(TN_F32, {1, 2}), b = make<float>(TN_F32, {1, 2, 3});
  EXPECT_EQ(compare(a.view(), b, {}).problem, "is f32[2], expected f32[3]");
  EXPECT_FALSE(compare(a.view(), make<int32_t>(TN_I32, {1, 2}), {}).equal);
}

} // namespace
} // namespace tenon::driver
