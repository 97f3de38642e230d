// Layers as products of rows, and roundings of weights, against plain loops.
#include "test/unit/codegen/Numbers.h"
#include "tools/tenon/quantize/AdaptiveRounding.h"
#include "tools/tenon/quantize/DenseProducts.h"
#include "tools/tenon/quantize/RowSample.h"
#include <cmath>
#include <gtest/gtest.h>

namespace tenon::driver {
namespace {

using test::randomNumbers;

TEST(DenseProducts, EqualPlainLoops) {
  for (auto [rows, columns, depth] : {std::array<size_t, 3>{1, 1, 1}, {5, 3, 17}, {9, 131, 40}, {4, 64, 1000}}) {
    std::vector<float> a = randomNumbers(rows * depth, 1), b = randomNumbers(columns * depth, 2), one(rows * columns), several(rows * columns);
    multiplyTransposed(a.data(), rows, b.data(), columns, depth, one.data(), 1);
    multiplyTransposed(a.data(), rows, b.data(), columns, depth, several.data(), 3);
    EXPECT_EQ(one, several);
    for (size_t i = 0; i < rows; i++)
      for (size_t j = 0; j < columns; j++) {
        double sum = 0;
        for (size_t k = 0; k < depth; k++)
          sum += double(a[i * depth + k]) * b[j * depth + k];
        EXPECT_NEAR(one[i * columns + j], sum, 1e-4 * std::sqrt(double(depth)));
      }
  }
  EXPECT_EQ(transposed(std::vector<float>{1, 2, 3, 4, 5, 6}.data(), 2, 3), (std::vector<float>{1, 4, 2, 5, 3, 6}));
}

/// A 3x3 convolution of two groups of two channels, strides 2 and 1, dilated by 1 and 2, padded by 1 (before) and 0, 2.
LayerShape groupedConvolution() {
  LayerShape shape;
  shape.channels = 2, shape.groups = 2, shape.depth = 2 * 9;
  shape.isConvolution = true;
  shape.kernel = {3, 3}, shape.strides = {2, 1}, shape.dilations = {1, 2}, shape.padsBefore = {1, 0}, shape.padsAfter = {0, 2};
  return shape;
}

TEST(LayerRows, AreTheTapsOfAConvolution) {
  LayerShape shape = groupedConvolution();
  const int64_t height = 6, width = 7, channels = 4;
  std::vector<float> input = randomNumbers(2 * channels * height * width, 3);
  LayerRows rows(shape, input.data(), {2, channels, height, width});
  const int64_t resultHeight = 3, resultWidth = 5; // (6 + 1 - 3) / 2 + 1, 7 + 2 - 5 + 1
  ASSERT_EQ(rows.count(), 2 * resultHeight * resultWidth);
  std::vector<float> row(size_t(shape.rowSize()));
  for (int64_t i = 0; i < rows.count(); i++) {
    rows.read(i, row.data());
    int64_t n = i / (resultHeight * resultWidth), y = i / resultWidth % resultHeight, x = i % resultWidth;
    for (int64_t c = 0; c < channels; c++)
      for (int64_t ky = 0; ky < 3; ky++)
        for (int64_t kx = 0; kx < 3; kx++) {
          int64_t atY = 2 * y + ky - 1, atX = x + 2 * kx;
          bool isInside = atY >= 0 && atY < height && atX < width;
          EXPECT_EQ(row[size_t(c * 9 + ky * 3 + kx)], isInside ? input[size_t(((n * channels + c) * height + atY) * width + atX)] : 0);
        }
  }
  EXPECT_EQ(LayerRows(shape, input.data(), {2, 3, height, width}).count(), 0) << "inputs that do not fit have no rows";
  shape.padsToInput = true; // SAME_UPPER: as many results as steps of the stride
  EXPECT_EQ(LayerRows(shape, input.data(), {2, channels, height, width}).count(), 2 * 3 * 7);
}

TEST(RowSample, IsDrawnEvenlyFromAllRows) {
  LayerShape shape;
  shape.channels = 1, shape.depth = 1;
  RowSample sample(shape, 500, 7), again(shape, 500, 7);
  for (int run = 0; run < 100; run++) {
    std::vector<float> values(100);
    for (int i = 0; i < 100; i++)
      values[size_t(i)] = float(100 * run + i);
    sample.add(values.data(), {100, 1});
    again.add(values.data(), {4, 25, 1});
  }
  ASSERT_EQ(sample.rows(), 500u);
  EXPECT_EQ(sample.data(), again.data()) << "the same rows give the same sample";
  double mean = 0;
  for (float value : sample.data())
    mean += value / 500;
  EXPECT_NEAR(mean, 5000, 500); // its standard deviation is 10000 / sqrt(12 * 500) = 129
}

TEST(RowSample, KnowsTheLargestMagnitudesOfAllThatItSees) {
  LayerShape shape = groupedConvolution(), product;
  product.channels = 1, product.depth = 3;
  RowSample convolution(shape, 2, 1), rows(product, 2, 1);
  std::vector<float> input(2 * 4 * 6 * 7, 0.5f), matrix = {1, -2, 3, -7, 2, 0};
  for (int64_t channel = 0; channel < 4; channel++)
    input[size_t(((channel % 2) * 4 + channel) * 42 + 11 * channel)] = float(-1 - channel); // one number each, in either sample
  convolution.add(input.data(), {2, 4, 6, 7});
  EXPECT_EQ(convolution.largest(), (std::vector<float>{1, 2, 3, 4}));
  for (size_t row = 0; row < 2; row++)
    rows.add(matrix.data() + 3 * row, {1, 3});
  EXPECT_EQ(rows.largest(), (std::vector<float>{7, 2, 3}));
  matrix = {1, 1, 48, 1e4f, 33, 1};
  rows.add(matrix.data(), {2, 3});
  EXPECT_EQ(rows.largest(), (std::vector<float>{7, 2, 48})) << "what lies far beyond all others is an accident: 1e4 beside 7 and 33 beside 2, but not 48 beside 3";
}

struct Layer {
  LayerShape shape;
  std::vector<float> weights, exact, seen;
  WeightGrid grid;
};

/// Inputs whose columns depend on each other, as those of real networks do; `bits` of the weights.
Layer correlatedLayer(size_t depth, size_t channels, size_t rows, int largest) {
  Layer layer;
  layer.shape.channels = int64_t(channels), layer.shape.depth = int64_t(depth);
  layer.weights = randomNumbers(depth * channels, 11);
  std::vector<float> hidden = randomNumbers(rows * 6, 12), mixing = randomNumbers(depth * 6, 13), noise = randomNumbers(rows * depth, 14);
  layer.exact.resize(rows * depth);
  multiplyTransposed(hidden.data(), rows, mixing.data(), depth, 6, layer.exact.data(), 1);
  for (size_t i = 0; i < layer.exact.size(); i++)
    layer.exact[i] += 0.3f * noise[i] + 2;
  layer.seen = layer.exact;
  layer.grid = {std::vector<float>(channels, 3.0f / float(largest)), int64_t(depth), -largest, largest};
  return layer;
}

/// The squared error of the results over the rows, relative to the results.
double errorOf(const Layer &layer, const std::vector<int8_t> &codes) {
  size_t depth = size_t(layer.shape.depth), rows = layer.exact.size() / depth;
  double error = 0, whole = 0;
  for (size_t c = 0; c < size_t(layer.shape.channels); c++)
    for (size_t r = 0; r < rows; r++) {
      double expected = 0, found = 0;
      for (size_t d = 0; d < depth; d++) {
        expected += double(layer.weights[c * depth + d]) * layer.exact[r * depth + d];
        found += double(layer.grid.scales[c]) * codes[c * depth + d] * layer.seen[r * depth + d];
      }
      error += (expected - found) * (expected - found);
      whole += expected * expected;
    }
  return error / whole;
}

TEST(AdaptiveRounding, LosesMuchLessWhereInputsDependOnEachOther) {
  for (int largest : {7, 127}) {
    Layer layer = correlatedLayer(64, 24, 800, largest);
    RoundingProblem problem{layer.shape, layer.weights, layer.exact, layer.seen, layer.grid, false, 2};
    AdaptedCodes adapted = adaptedCodes(problem);
    double nearest = errorOf(layer, nearestCodes(layer.shape, layer.weights, layer.grid)), found = errorOf(layer, adapted.codes);
    EXPECT_LT(found, nearest / 4) << largest;
    EXPECT_LT(adapted.after, adapted.before / 4) << "on rows that were kept aside";
    for (int8_t code : adapted.codes)
      EXPECT_LE(std::abs(code), largest);
  }
}

TEST(AdaptiveRounding, NeverLosesMoreOnRowsThatWereKeptAside) {
  for (size_t rows : {4, 9, 20, 60, 300}) { // few rows say little of 64 weights
    Layer layer = correlatedLayer(64, 16, rows, 7);
    AdaptedCodes adapted = adaptedCodes({layer.shape, layer.weights, layer.exact, layer.seen, layer.grid, false, 1});
    EXPECT_LE(adapted.after, adapted.before) << rows;
    if (rows < 8)
      EXPECT_EQ(adapted.codes, nearestCodes(layer.shape, layer.weights, layer.grid)) << "too few rows to tell";
  }
}

TEST(AdaptiveRounding, DoesNotDependOnThreads) {
  Layer layer = correlatedLayer(40, 33, 200, 127);
  AdaptedCodes one = adaptedCodes({layer.shape, layer.weights, layer.exact, layer.seen, layer.grid, true, 1});
  AdaptedCodes several = adaptedCodes({layer.shape, layer.weights, layer.exact, layer.seen, layer.grid, true, 4});
  EXPECT_EQ(one.codes, several.codes);
}

TEST(AdaptiveRounding, KeepsWhatIsExact) {
  Layer layer = correlatedLayer(32, 8, 200, 127);
  for (size_t i = 0; i < layer.weights.size(); i++)
    layer.weights[i] = layer.grid.scales[i / 32] * float(int(i * 37 % 255) - 127);
  AdaptedCodes adapted = adaptedCodes({layer.shape, layer.weights, layer.exact, layer.seen, layer.grid, false, 1});
  EXPECT_EQ(adapted.codes, nearestCodes(layer.shape, layer.weights, layer.grid));
}

} // namespace
} // namespace tenon::driver
