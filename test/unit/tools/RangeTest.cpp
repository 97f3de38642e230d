// Ranges and scales of quantization, from histograms whose answers are known.
#include "tools/tenon/quantize/ValueCounts.h"
#include <cmath>
#include <gtest/gtest.h>
#include <limits>

namespace tenon::driver {
namespace {

TEST(Steps, HoldZeroExactly) {
  Steps steps = stepsFor({-1, 3});
  EXPECT_FLOAT_EQ(steps.scale, 4.0f / 255);
  EXPECT_EQ(steps.zeroPoint, 64); // 1 / (4 / 255) = 63.75
  EXPECT_EQ(stepsFor({0.5, 2}).zeroPoint, 0) << "a range without 0 is widened to it";
  EXPECT_FLOAT_EQ(stepsFor({0.5, 2}).scale, 2.0f / 255);
  EXPECT_EQ(stepsFor({-2, -1}).zeroPoint, 255);
}

TEST(Steps, EmptyRangesHaveAScale) {
  for (Range range : {Range{0, 0}, Range{0, std::numeric_limits<float>::denorm_min()}, Range{-1e-40, 1e-40}}) {
    Steps steps = stepsFor(range);
    EXPECT_FLOAT_EQ(steps.scale, 1.0f / 255);
    EXPECT_EQ(steps.zeroPoint, 0);
  }
}

TEST(Steps, SymmetricOnesLieOnBothSidesOfZero) {
  for (Range range : {Range{-1, 3}, Range{-3, 1}, Range{0, 3}}) {
    Steps steps = stepsFor(range, Activations::Symmetric);
    EXPECT_FLOAT_EQ(steps.scale, 3.0f / 127);
    EXPECT_TRUE(steps.isSigned);
    EXPECT_EQ(steps.writtenZeroPoint(), 0);
    EXPECT_EQ(roundedTo(steps, {3, -3, 0}), (std::vector<float>{127 * steps.scale, -127 * steps.scale, 0}));
  }
  EXPECT_EQ(stepsFor({0, 0}, Activations::Symmetric).writtenZeroPoint(), 0);
}

/// Of all the values, as calibration makes it: float by float, without a range known before.
Histogram histogramOf(const std::vector<float> &values) {
  ValueCounts counts;
  EXPECT_TRUE(counts.add(values.data(), values.size()));
  Histogram histogram = counts.histogram({counts.low(), counts.high()});
  EXPECT_NEAR(histogram.total(), double(values.size()), 1e-6 * double(values.size()));
  return histogram;
}

/// `count` numbers spread evenly over [0, 1].
std::vector<float> evenly(size_t count) {
  std::vector<float> values(count);
  for (size_t i = 0; i < count; i++)
    values[i] = float(i) / float(count);
  return values;
}

Histogram withOutlier(float outlier, size_t others = 10000) {
  std::vector<float> values = evenly(others);
  values.push_back(outlier);
  return histogramOf(values);
}

TEST(Range, MinMaxKeepsEverything) {
  Range range = chooseRange(withOutlier(20), RangeMethod::MinMax, 99.99);
  EXPECT_EQ(range.low, 0);
  EXPECT_EQ(range.high, 20);
}

TEST(Range, PercentileCutsOutliers) {
  Range high = chooseRange(withOutlier(20), RangeMethod::Percentile, 99.9);
  EXPECT_LT(high.high, 1.1);
  EXPECT_GT(high.high, 0.9);
  Range low = chooseRange(withOutlier(-20), RangeMethod::Percentile, 99.9);
  EXPECT_GT(low.low, -0.1);
}

TEST(Range, SquaredErrorWeighsClippingAgainstSteps) {
  // Rounding n numbers to steps of r / 255 costs n (r / 255)^2 / 12, clipping the outlier to r costs (20 - r)^2: least at 20 / (1 + n / 780300).
  EXPECT_NEAR(chooseRange(withOutlier(20), RangeMethod::Mse, 99.99).high, 19.7, 0.4);
  EXPECT_NEAR(chooseRange(withOutlier(20, 1010000), RangeMethod::Mse, 99.99).high, 8.7, 0.4);
}

TEST(Range, EntropyClipsWhatIsRare) {
  std::vector<float> values;
  for (int i = 0; i < 100000; i++)
    values.push_back(std::exp(-float(i) / 10000)); // most near 0
  values.push_back(10);
  EXPECT_LT(chooseRange(histogramOf(values), RangeMethod::Entropy, 99.99).high, 10);
}

TEST(Range, EntropyLooksBesideThePeakOfZeros) {
  std::vector<float> values(70000, 0.0f);
  for (int i = 0; i < 30000; i++)
    values.push_back(float(i) / 30000);
  EXPECT_GT(chooseRange(histogramOf(values), RangeMethod::Entropy, 99.99).high, 0.8);
}

TEST(Range, ConstantTensorsKeepTheirRange) {
  Histogram histogram = histogramOf({0});
  for (RangeMethod method : {RangeMethod::MinMax, RangeMethod::Percentile, RangeMethod::Mse, RangeMethod::Entropy}) {
    Range range = chooseRange(histogram, method, 99.99);
    EXPECT_EQ(range.low, 0);
    EXPECT_EQ(range.high, 0);
  }
}

TEST(Range, MethodsHaveNames) {
  EXPECT_EQ(rangeMethodNamed("entropy"), RangeMethod::Entropy);
  EXPECT_FALSE(rangeMethodNamed("mean"));
}

} // namespace
} // namespace tenon::driver
