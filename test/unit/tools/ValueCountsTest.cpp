// Counts of values whatever their range: NaN, outliers, and what a histogram of them holds.
#include "tools/tenon/quantize/ValueCounts.h"
#include <cmath>
#include <gtest/gtest.h>
#include <limits>

namespace tenon::driver {
namespace {

std::vector<float> wave(size_t count, float amplitude) {
  std::vector<float> values(count);
  for (size_t i = 0; i < count; i++)
    values[i] = amplitude * std::sin(float(i));
  return values;
}

ValueCounts countsOf(const std::vector<float> &values) {
  ValueCounts counts;
  EXPECT_TRUE(counts.add(values.data(), values.size()));
  return counts;
}

TEST(ValueCounts, NumbersMustBeFinite) {
  for (float bad : {NAN, -NAN, INFINITY, -INFINITY}) {
    ValueCounts counts;
    float values[2] = {1, bad};
    EXPECT_FALSE(counts.add(values, 2));
  }
}

TEST(ValueCounts, ExtremesAreExactAndHoldZero) {
  ValueCounts counts = countsOf({3.3f, 5, 2});
  EXPECT_EQ(counts.low(), 0);
  EXPECT_EQ(counts.high(), 5);
  EXPECT_EQ(counts.total(), 3u);
  float largest = std::numeric_limits<float>::max(), smallest = std::numeric_limits<float>::denorm_min();
  ValueCounts wide = countsOf({largest, -largest, smallest, -smallest, 0.0f, -0.0f});
  EXPECT_EQ(wide.high(), largest);
  EXPECT_EQ(wide.low(), -largest);
  EXPECT_NEAR(wide.histogram({wide.low(), wide.high()}).total(), 6, 1e-9);
}

TEST(ValueCounts, HistogramsFollowTheDistribution) {
  std::vector<float> values;
  for (int i = 0; i < 200000; i++)
    values.push_back(float(i) / 100000 - 1); // evenly over [-1, 1)
  Histogram histogram = countsOf(values).histogram({-1, 1});
  double expected = double(values.size()) / Histogram::kBins;
  for (size_t bin = 1; bin + 1 < Histogram::kBins; bin++)
    EXPECT_NEAR(histogram.count(bin), expected, 0.05 * expected) << bin;
}

TEST(ValueCounts, ValuesOutsideAreInTheLastParts) {
  Histogram histogram = countsOf({-10, -0.5f, 0.5f, 20}).histogram({-1, 1});
  EXPECT_EQ(histogram.count(0), 1);
  EXPECT_EQ(histogram.count(Histogram::kBins - 1), 1);
}

TEST(Outliers, AreFewAndFar) {
  std::vector<float> values = wave(100000, 2);
  EXPECT_EQ(countsOf(values).outliers().count, 0u);
  values.push_back(-1e20f);
  ValueCounts::Outliers found = countsOf(values).outliers();
  EXPECT_EQ(found.count, 1u);
  EXPECT_NEAR(found.limit, 2, 0.01);
  values.push_back(1e20f);
  EXPECT_EQ(countsOf(values).outliers().count, 0u) << "two of a hundred thousand are a part of the distribution";
}

TEST(Outliers, ModerateOnesAreKept) {
  std::vector<float> values = wave(100000, 1);
  values.push_back(10);
  EXPECT_EQ(countsOf(values).outliers().count, 0u);
}

TEST(Outliers, ZerosAndFewValuesSayNothing) {
  std::vector<float> sparse(1000000, 0.0f);
  for (float value : {0.01f, 0.02f, 5.0f})
    sparse.push_back(value);
  EXPECT_EQ(countsOf(sparse).outliers().count, 0u);
}

TEST(ValueCounts, AverageFollowsRuns) {
  ValueCounts counts;
  std::vector<float> first{-1, 2}, second{1, 4, 3};
  counts.add(first.data(), 2);
  counts.endRun();
  EXPECT_EQ(counts.average().low, -1);
  EXPECT_EQ(counts.average().high, 2);
  counts.add(second.data(), 2); // a run may come in parts
  counts.add(second.data() + 2, 1);
  counts.endRun();
  EXPECT_DOUBLE_EQ(counts.average().low, -0.9); // a tenth of the way to 0
  EXPECT_DOUBLE_EQ(counts.average().high, 2.2);
  EXPECT_EQ(counts.low(), -1);
  EXPECT_EQ(counts.high(), 4);
}

} // namespace
} // namespace tenon::driver
