// Softmax, norms and transposes against plain C++.
#include "test/unit/codegen/KernelHarness.h"
#include "test/unit/codegen/Numbers.h"
#include <numeric>

namespace tenon::test {
namespace {

constexpr int kRows = 7, kColumns = 131;

/// One row at a time through `row`.
template <typename Row> std::vector<float> byRows(const std::vector<float> &x, Row row) {
  std::vector<float> y(x.size());
  for (int r = 0; r < kRows; ++r)
    row(x.data() + r * kColumns, y.data() + r * kColumns);
  return y;
}
void softmax(const float *x, float *y) {
  double largest = *std::max_element(x, x + kColumns), sum = 0;
  for (int i = 0; i < kColumns; ++i)
    sum += std::exp(x[i] - largest);
  for (int i = 0; i < kColumns; ++i)
    y[i] = float(std::exp(x[i] - largest) / sum);
}

// Both lengths of a row: known (kept in scratch memory) and free (kept where the result goes).
class Rows : public testing::TestWithParam<bool> {
protected:
  std::string type() const { return GetParam() ? "tensor<?x?xf32, #nn.dims<[n, c]>>" : "tensor<7x131xf32>"; }
  std::string row() const { return GetParam() ? "tensor<?xf32, #nn.dims<[c]>>" : "tensor<131xf32>"; }
  std::string pair() const { return type() + ", " + type() + " -> " + type(); }
  KernelHarness::Sizes sizes() const { return {{"n", kRows}, {"c", kColumns}}; }
};

TEST_P(Rows, SoftmaxOfMaskedScores) {
  std::string t = type();
  KernelHarness kernel("kernel.func private @k(%x: " + t + ", %m: " + row() + ") -> " + t + " {\n%0 = nn.add %x, %m : " + t + ", " + row() + " -> " + t +
                       "\n%1 = nn.softmax %0 {axis = 1 : i64} : " + t + " -> " + t + "\nkernel.return %1 : " + t + " }");
  ASSERT_TRUE(kernel.compile()) << kernel.message;
  EXPECT_EQ(kernel.func().getSchedule()->getFamily().getValue(), "row_reduction");
  auto x = randomNumbers(kRows * kColumns), mask = randomNumbers(kColumns, 2), sum = x;
  for (size_t i = 0; i < sum.size(); ++i)
    sum[i] += mask[i % kColumns];
  std::vector<float> y(x.size(), NAN);
  kernel.run({x.data(), mask.data(), y.data()}, sizes());
  expectNear(y, byRows(sum, softmax));
}

// The residual sum is a result too; the norm is followed by relu.
TEST_P(Rows, LayerNormOfResidual) {
  std::string t = type();
  KernelHarness kernel("kernel.func private @k(%x: " + t + ", %r: " + t + ", %g: " + row() + ", %b: " + row() + ") -> (" + t + ", " + t +
                       ") {\n%0 = nn.add %x, %r : " + pair() + "\n%1 = nn.layer_norm %0 scale %g : " + row() + " bias %b : " + row() +
                       " {axis = 1 : i64, epsilon = 1.0e-5 : f64} : " + t + " -> " + t + "\n%2 = nn.relu %1 : " + t + " -> " + t + "\nkernel.return %0, %2 : " +
                       t + ", " + t + " }");
  ASSERT_TRUE(kernel.compile()) << kernel.message;
  EXPECT_EQ(kernel.func().getSchedule()->getFamily().getValue(), "row_reduction");
  auto x = randomNumbers(kRows * kColumns), residual = randomNumbers(kRows * kColumns, 2), scale = randomNumbers(kColumns, 3),
       bias = randomNumbers(kColumns, 4), sum = x;
  for (size_t i = 0; i < sum.size(); ++i)
    sum[i] += residual[i];
  auto expected = byRows(sum, [&](const float *in, float *out) {
    double mean = std::accumulate(in, in + kColumns, 0.0) / kColumns, variance = 0;
    for (int i = 0; i < kColumns; ++i)
      variance += (in[i] - mean) * (in[i] - mean) / kColumns;
    for (int i = 0; i < kColumns; ++i)
      out[i] = std::max(0.0f, float((in[i] - mean) / std::sqrt(variance + 1e-5) * scale[i] + bias[i]));
  });
  std::vector<float> gotSum(x.size(), NAN), got(x.size(), NAN);
  kernel.run({x.data(), residual.data(), scale.data(), bias.data(), gotSum.data(), got.data()}, sizes());
  expectNear(gotSum, sum);
  expectNear(got, expected);
}
INSTANTIATE_TEST_SUITE_P(Lengths, Rows, testing::Bool());

// Softmax over an axis that is not the last: lanes lie along the last one.
TEST(Rows, SoftmaxOverChannels) {
  KernelHarness kernel(R"(
    kernel.func private @k(%x: tensor<2x3x19xf32>) -> tensor<2x3x19xf32> {
      %0 = nn.softmax %x {axis = 1 : i64} : tensor<2x3x19xf32> -> tensor<2x3x19xf32>
      kernel.return %0 : tensor<2x3x19xf32>
    })");
  ASSERT_TRUE(kernel.compile()) << kernel.message;
  auto x = randomNumbers(114);
  std::vector<float> y(114, NAN), expected(114);
  for (int i = 0; i < 114; ++i) {
    double sum = 0;
    for (int c = 0; c < 3; ++c)
      sum += std::exp(x[i / 57 * 57 + c * 19 + i % 19]);
    expected[i] = float(std::exp(x[i]) / sum);
  }
  kernel.run({x.data(), y.data()});
  expectNear(y, expected);
}

struct Shape {
  int64_t planes, rows, columns;
};
class Transposes : public testing::TestWithParam<std::tuple<Shape, bool>> {};

// The last two axes trade places and a scale by the result's last axis is applied: images to channels last and back, squares.
TEST_P(Transposes, ThroughRegisters) {
  auto [s, isFree] = GetParam();
  auto number = [](int64_t n) { return std::to_string(n); };
  std::string in = "tensor<" + number(s.planes) + "x" + number(s.rows) + "x" + number(s.columns) + "xf32>",
              out = "tensor<" + number(s.planes) + "x" + number(s.columns) + "x" + number(s.rows) + "xf32>";
  if (isFree) {
    in = "tensor<?x" + number(s.rows) + "x?xf32, #nn.dims<[n, " + number(s.rows) + ", p]>>";
    out = "tensor<?x?x" + number(s.rows) + "xf32, #nn.dims<[n, p, " + number(s.rows) + "]>>";
  }
  std::string scale = "tensor<" + number(s.rows) + "xf32>";
  KernelHarness kernel("kernel.func private @k(%x: " + in + ", %s: " + scale + ") -> " + out +
                       " {\n%0 = nn.transpose %x {perm = array<i64: 0, 2, 1>} : " + in + " -> " + out + "\n%1 = nn.mul %0, %s : " + out + ", " + scale + " -> " +
                       out + "\nkernel.return %1 : " + out + " }");
  ASSERT_TRUE(kernel.compile()) << kernel.message;
  auto x = randomNumbers(s.planes * s.rows * s.columns), factors = randomNumbers(s.rows, 2);
  std::vector<float> y(x.size(), NAN), expected(x.size());
  for (int64_t i = 0; i < int64_t(x.size()); ++i) {
    int64_t column = i % s.columns, row = i / s.columns % s.rows, plane = i / s.columns / s.rows;
    expected[(plane * s.columns + column) * s.rows + row] = x[i] * factors[row];
  }
  kernel.run({x.data(), factors.data(), y.data()}, {{"n", s.planes}, {"p", s.columns}});
  expectNear(y, expected);
}
INSTANTIATE_TEST_SUITE_P(Shapes, Transposes,
                         testing::Combine(testing::Values(Shape{2, 3, 85},    // three channels: interleaved
                                                          Shape{1, 85, 3},    // and taken apart
                                                          Shape{2, 16, 40},   // whole squares
                                                          Shape{1, 19, 37},   // squares that overlap
                                                          Shape{3, 9, 4}),    // neither long nor few
                                          testing::Bool()));

} // namespace
} // namespace tenon::test
