// The general road against plain C++: bodies that no other family takes.
#include "passes/6_codegen/cpu/Loops.h"
#include "test/unit/codegen/KernelHarness.h"
#include "test/unit/codegen/Numbers.h"
#include <numeric>

namespace tenon::test {
namespace {

const std::string kLoops = "#kernel.schedule<\"loops\", {tasks = 3 : i64}>";

/// Runs a kernel of f32 arguments and one f32 result.
std::vector<float> compute(const std::string &text, std::vector<std::vector<float>> arguments, int64_t elements, const KernelHarness::Sizes &sizes = KernelHarness::Sizes(),
                           std::vector<int64_t> *indices = nullptr) {
  KernelHarness kernel(text);
  EXPECT_TRUE(kernel.compile(kLoops)) << kernel.message << text;
  std::vector<float> result(elements, NAN);
  KernelHarness::Buffers buffers;
  for (auto &argument : arguments)
    buffers.push_back(argument.data());
  if (indices)
    buffers.push_back(indices->data());
  buffers.push_back(result.data());
  if (kernel.message.empty())
    kernel.run(buffers, sizes);
  return result;
}

// A bias along the middle axis and a scalar; the sizes of two axes are free. 2*5*3*7 elements leave tails everywhere.
TEST(Loops, BroadcastsOverFreeSizes) {
  auto x = randomNumbers(210), bias = randomNumbers(5, 2), scale = randomNumbers(1, 3);
  auto y = compute(R"(
    kernel.func private @k(%x: tensor<?x5x?x7xf32, #nn.dims<[n, 5, h, 7]>>, %b: tensor<5x1x1xf32>, %s: tensor<f32>)
        -> tensor<?x5x?x7xf32, #nn.dims<[n, 5, h, 7]>> {
      %0 = nn.add %x, %b : tensor<?x5x?x7xf32, #nn.dims<[n, 5, h, 7]>>, tensor<5x1x1xf32> -> tensor<?x5x?x7xf32, #nn.dims<[n, 5, h, 7]>>
      %1 = nn.mul %0, %s : tensor<?x5x?x7xf32, #nn.dims<[n, 5, h, 7]>>, tensor<f32> -> tensor<?x5x?x7xf32, #nn.dims<[n, 5, h, 7]>>
      kernel.return %1 : tensor<?x5x?x7xf32, #nn.dims<[n, 5, h, 7]>>
    })",
                   {x, bias, scale}, 210, {{"n", 2}, {"h", 3}});
  std::vector<float> expected(210);
  for (int i = 0; i < 210; ++i)
    expected[i] = (x[i] + bias[i / 21 % 5]) * scale[0];
  expectNear(y, expected);
}

// A kernel that may overwrite its argument reads every element before it writes it.
TEST(Loops, WorksInPlace) {
  KernelHarness kernel(R"(
    kernel.func private @k(%x: tensor<1000xf32>) -> tensor<1000xf32> {
      %0 = nn.relu %x : tensor<1000xf32> -> tensor<1000xf32>
      %1 = nn.sub %0, %x : tensor<1000xf32>, tensor<1000xf32> -> tensor<1000xf32>
      kernel.return %1 : tensor<1000xf32>
    })");
  ASSERT_TRUE(kernel.compile(kLoops)) << kernel.message;
  ASSERT_TRUE(kernel.func().getOverwrites());
  EXPECT_EQ(*kernel.func().getOverwrites(), llvm::ArrayRef<int64_t>{0});
  auto x = randomNumbers(1000), expected = x;
  for (float &v : expected)
    v = std::max(v, 0.0f) - v;
  kernel.run({x.data(), x.data()});
  expectNear(x, expected);
}

// A slice that walks backwards, of a transposed computed value.
TEST(Loops, FollowsViewsOfComputedValues) {
  auto x = randomNumbers(15);
  auto y = compute(R"(
    kernel.func private @k(%x: tensor<3x5xf32>) -> tensor<2x3xf32> {
      %0 = nn.neg %x : tensor<3x5xf32> -> tensor<3x5xf32>
      %1 = nn.transpose %0 {perm = array<i64: 1, 0>} : tensor<3x5xf32> -> tensor<5x3xf32>
      %2 = nn.slice %1 {starts = #nn.dims<[3, 0]>, sizes = #nn.dims<[2, 3]>, steps = array<i64: -2, 1>} : tensor<5x3xf32> -> tensor<2x3xf32>
      kernel.return %2 : tensor<2x3xf32>
    })",
                   {x}, 6);
  std::vector<float> expected;
  for (int row : {3, 1})
    for (int column = 0; column < 3; ++column)
      expected.push_back(-x[column * 5 + row]);
  expectNear(y, expected);
}

// ABC with low = 2, high = 3, in every mode: constant 00ABC000, reflect CBABCBAB, edge AAABCCCC, wrap BCABCABC.
TEST(Loops, PadsInEveryMode) {
  std::vector<float> x = {1, 2, 3};
  const std::pair<const char *, std::vector<float>> modes[] = {{"constant", {0, 0, 1, 2, 3, 0, 0, 0}},
                                                               {"reflect", {3, 2, 1, 2, 3, 2, 1, 2}},
                                                               {"edge", {1, 1, 1, 2, 3, 3, 3, 3}},
                                                               {"wrap", {2, 3, 1, 2, 3, 1, 2, 3}}};
  for (auto &[mode, expected] : modes)
    expectNear(compute("kernel.func private @k(%x: tensor<?xf32, #nn.dims<[n]>>) -> tensor<?xf32, #nn.dims<[n + 5]>> {\n"
                       "%0 = nn.pad %x {low = #nn.dims<[2]>, high = #nn.dims<[3]>, mode = #nn.pad_mode<" +
                           std::string(mode) +
                           ">} : tensor<?xf32, #nn.dims<[n]>> -> tensor<?xf32, #nn.dims<[n + 5]>>\n"
                           "kernel.return %0 : tensor<?xf32, #nn.dims<[n + 5]>> }",
                       {x}, 8, {{"n", 3}}),
               expected);
}

// 9 + 4 columns: vectors inside one input, one vector across the seam, a tail.
TEST(Loops, ConcatenatesAndAppliesOps) {
  auto a = randomNumbers(18), b = randomNumbers(8, 2);
  auto y = compute(R"(
    kernel.func private @k(%a: tensor<2x9xf32>, %b: tensor<2x4xf32>) -> tensor<2x13xf32> {
      %0 = nn.concat %a, %b {axis = 1 : i64} : tensor<2x9xf32>, tensor<2x4xf32> -> tensor<2x13xf32>
      %1 = nn.neg %0 : tensor<2x13xf32> -> tensor<2x13xf32>
      kernel.return %1 : tensor<2x13xf32>
    })",
                   {a, b}, 26);
  std::vector<float> expected;
  for (int row = 0; row < 2; ++row)
    for (int column = 0; column < 13; ++column)
      expected.push_back(column < 9 ? -a[row * 9 + column] : -b[row * 4 + column - 9]);
  expectNear(y, expected);
}

// Negative indices count from the end; an index outside reads the nearest row.
TEST(Loops, GathersRows) {
  auto table = randomNumbers(4 * 33);
  std::vector<int64_t> indices = {2, -1, 0, 99};
  auto y = compute(R"(
    kernel.func private @k(%t: tensor<4x33xf32>, %i: tensor<4xi64>) -> tensor<4x33xf32> {
      %0 = nn.gather %t, %i {axis = 0 : i64} : (tensor<4x33xf32>, tensor<4xi64>) -> tensor<4x33xf32>
      kernel.return %0 : tensor<4x33xf32>
    })",
                   {table}, 4 * 33, KernelHarness::Sizes(), &indices);
  std::vector<float> expected;
  for (int row : {2, 3, 0, 3})
    expected.insert(expected.end(), table.begin() + row * 33, table.begin() + (row + 1) * 33);
  expectNear(y, expected);
}

// (x - mean) / deviation over the pixels of each channel, spelt as ops: statistics are computed once a channel.
TEST(Loops, KeepsStatisticsOfDecomposedNorms) {
  constexpr int kChannels = 6, kPixels = 45;
  auto x = randomNumbers(kChannels * kPixels);
  auto y = compute(R"(
    kernel.func private @k(%x: tensor<6x5x9xf32>) -> tensor<6x5x9xf32> {
      %m = nn.reduce %x {kind = #nn.reduce_kind<mean>, axes = array<i64: 1, 2>, keep_dims} : tensor<6x5x9xf32> -> tensor<6x1x1xf32>
      %d = nn.sub %x, %m : tensor<6x5x9xf32>, tensor<6x1x1xf32> -> tensor<6x5x9xf32>
      %q = nn.mul %d, %d : tensor<6x5x9xf32>, tensor<6x5x9xf32> -> tensor<6x5x9xf32>
      %v = nn.reduce %q {kind = #nn.reduce_kind<mean>, axes = array<i64: 1, 2>, keep_dims} : tensor<6x5x9xf32> -> tensor<6x1x1xf32>
      %s = nn.sqrt %v : tensor<6x1x1xf32> -> tensor<6x1x1xf32>
      %0 = nn.div %d, %s : tensor<6x5x9xf32>, tensor<6x1x1xf32> -> tensor<6x5x9xf32>
      kernel.return %0 : tensor<6x5x9xf32>
    })",
                   {x}, kChannels * kPixels);
  std::vector<float> expected(x.size());
  for (int c = 0; c < kChannels; ++c) {
    double mean = 0, variance = 0;
    for (int p = 0; p < kPixels; ++p)
      mean += x[c * kPixels + p] / double(kPixels);
    for (int p = 0; p < kPixels; ++p)
      variance += std::pow(x[c * kPixels + p] - mean, 2) / kPixels;
    for (int p = 0; p < kPixels; ++p)
      expected[c * kPixels + p] = float((x[c * kPixels + p] - mean) / std::sqrt(variance));
  }
  expectNear(y, expected, 1e-4);
}

// Three groups, channels first, stride 2, uneven pads.
TEST(Loops, ConvolvesGroupsChannelsFirst) {
  auto x = randomNumbers(6 * 7 * 8), w = randomNumbers(9 * 2 * 9, 2);
  auto y = compute(R"(
    kernel.func private @k(%x: tensor<1x6x7x8xf32>, %w: tensor<9x2x3x3xf32>) -> tensor<1x9x4x4xf32> {
      %0 = nn.conv %x, %w {strides = array<i64: 2, 2>, pads = array<i64: 1, 0, 1, 1>, dilations = array<i64: 1, 1>, groups = 3 : i64}
         : tensor<1x6x7x8xf32>, tensor<9x2x3x3xf32> -> tensor<1x9x4x4xf32>
      kernel.return %0 : tensor<1x9x4x4xf32>
    })",
                   {x, w}, 9 * 16);
  std::vector<float> expected;
  for (int k = 0; k < 9; ++k)
    for (int i = 0; i < 16; ++i) {
      double sum = 0;
      for (int tap = 0; tap < 18; ++tap) {
        int c = k / 3 * 2 + tap / 9, row = i / 4 * 2 + tap / 3 % 3 - 1, column = i % 4 * 2 + tap % 3;
        if (row >= 0 && row < 7 && column < 8)
          sum += double(x[(c * 7 + row) * 8 + column]) * w[k * 18 + tap];
      }
      expected.push_back(float(sum));
    }
  expectNear(y, expected);
}

// Channels last with weights packed so that vectors of output channels are contiguous.
TEST(Loops, TransposesConvolutions) {
  constexpr int kIn = 5, kOut = 9;
  auto x = randomNumbers(4 * 3 * kIn), w = randomNumbers(kIn * kOut * 9, 2);
  auto y = compute(R"(
    kernel.func private @k(%x: tensor<1x4x3x5xf32>, %w: tensor<5x9x3x3xf32> {kernel.constant}) -> tensor<1x8x6x9xf32> {
      %0 = nn.conv_transpose %x, %w {strides = array<i64: 2, 2>, pads = array<i64: 1, 1, 1, 1>, dilations = array<i64: 1, 1>,
          output_padding = array<i64: 1, 1>, layout = #nn.layout<channels_last>} : tensor<1x4x3x5xf32>, tensor<5x9x3x3xf32> -> tensor<1x8x6x9xf32>
      kernel.return %0 : tensor<1x8x6x9xf32>
    })",
                   {x, w}, 8 * 6 * kOut);
  std::vector<float> expected(8 * 6 * kOut);
  for (int i = 0; i < 12; ++i)
    for (int tap = 0; tap < 9; ++tap) {
      int row = i / 3 * 2 + tap / 3 - 1, column = i % 3 * 2 + tap % 3 - 1;
      if (row < 0 || row >= 8 || column < 0 || column >= 6)
        continue;
      for (int k = 0; k < kOut; ++k)
        for (int c = 0; c < kIn; ++c)
          expected[(row * 6 + column) * kOut + k] += x[i * kIn + c] * w[(c * kOut + k) * 9 + tap];
    }
  expectNear(y, expected);
}

// Twice the size with half-pixel centres: element 1 of the result lies at 0.25, so it is 3/4 x0 + 1/4 x1.
TEST(Loops, ResizesLinearly) {
  auto y = compute(R"(
    kernel.func private @k(%x: tensor<1x1x1x3xf32>) -> tensor<1x1x1x6xf32> {
      %0 = nn.resize %x {sizes = #nn.dims<[1, 1, 1, 6]>, scales = array<f64: 0.0, 0.0, 0.0, 0.0>, mode = #nn.resize_mode<linear>}
         : tensor<1x1x1x3xf32> -> tensor<1x1x1x6xf32>
      kernel.return %0 : tensor<1x1x1x6xf32>
    })",
                   {{0, 4, 8}}, 6);
  expectNear(y, {0, 1, 3, 5, 7, 8});
}

// Updates that meet are added in their order.
TEST(Loops, ScattersWithReduction) {
  KernelHarness kernel(R"(
    kernel.func private @k(%x: tensor<4x3xf32>, %i: tensor<3x1xi64>, %u: tensor<3x3xf32>) -> tensor<4x3xf32> {
      %0 = nn.scatter_nd %x, %i, %u {reduction = #nn.reduce_kind<sum>} : (tensor<4x3xf32>, tensor<3x1xi64>, tensor<3x3xf32>) -> tensor<4x3xf32>
      kernel.return %0 : tensor<4x3xf32>
    })");
  ASSERT_TRUE(kernel.compile(kLoops)) << kernel.message;
  auto x = randomNumbers(12), updates = randomNumbers(9, 2), expected = x;
  std::vector<int64_t> rows = {1, 3, 1};
  for (int i = 0; i < 9; ++i)
    expected[rows[i / 3] * 3 + i % 3] += updates[i];
  std::vector<float> y(12);
  kernel.run({x.data(), rows.data(), updates.data(), y.data()});
  expectNear(y, expected);
}

// A softmax of a matrix product would compute the product again for every pass over a row: such a body is refused, and fusion splits it.
TEST(Loops, RefusesReductionsOfReductions) {
  KernelHarness kernel(R"(
    kernel.func private @k(%a: tensor<4x8xf32>, %b: tensor<8x16xf32>) -> tensor<4x16xf32> {
      %0 = nn.matmul %a, %b : tensor<4x8xf32>, tensor<8x16xf32> -> tensor<4x16xf32>
      %1 = nn.softmax %0 {axis = 1 : i64} : tensor<4x16xf32> -> tensor<4x16xf32>
      kernel.return %1 : tensor<4x16xf32>
    })");
  ASSERT_TRUE(kernel.func()) << kernel.message;
  EXPECT_FALSE(cpu::canCompute(kernel.func()));
}

// The same body for every target that Tenon names: vectors of 4, 8 and 16 lanes.
TEST(Loops, CompilesEverywhere) {
  std::string message;
  EXPECT_TRUE(KernelHarness::compilesEverywhere(R"(
    kernel.func private @k(%x: tensor<?x37xf32, #nn.dims<[n, 37]>>) -> tensor<?xf32, #nn.dims<[n]>> {
      %0 = nn.exp %x : tensor<?x37xf32, #nn.dims<[n, 37]>> -> tensor<?x37xf32, #nn.dims<[n, 37]>>
      %1 = nn.reduce %0 {kind = #nn.reduce_kind<sum>, axes = array<i64: 1>} : tensor<?x37xf32, #nn.dims<[n, 37]>> -> tensor<?xf32, #nn.dims<[n]>>
      kernel.return %1 : tensor<?xf32, #nn.dims<[n]>>
    })",
                                                message))
      << message;
}

// Booleans are ordered as 0 and 1 are, not as integers of one bit with a sign.
TEST(Loops, LargestAndSmallestOfBooleans) {
  for (const char *kind : {"max", "min"}) {
    KernelHarness kernel("kernel.func private @k(%x: tensor<4x2xi1>) -> tensor<4xi1> {\n%0 = nn.reduce %x {kind = #nn.reduce_kind<" + std::string(kind) +
                         ">, axes = array<i64: 1>} : tensor<4x2xi1> -> tensor<4xi1>\nkernel.return %0 : tensor<4xi1> }");
    ASSERT_TRUE(kernel.compile()) << kernel.message;
    std::vector<uint8_t> x = {0, 0, 0, 1, 1, 0, 1, 1}, got(4, 9);
    kernel.run({x.data(), got.data()});
    bool isMax = kind == std::string("max");
    EXPECT_EQ(got, (std::vector<uint8_t>{0, isMax, isMax, 1}));
  }
}

// Over the pixels of a channels-last image, for channels that fill several vectors, one, or leave a tail; with what follows a mean.
TEST(Loops, ReducesColumns) {
  for (int64_t channels : {128, 96, 40, 21, 5, 1}) {
    std::string c = std::to_string(channels), in = "tensor<2x7x9x" + c + "xf32>", out = "tensor<2x1x1x" + c + "xf32>";
    for (const char *kind : {"mean", "max"}) {
      KernelHarness kernel("kernel.func private @k(%x: " + in + ", %b: tensor<" + c + "xf32>) -> " + out + " {\n%0 = nn.reduce %x {kind = #nn.reduce_kind<" + kind +
                           ">, axes = array<i64: 1, 2>, keep_dims} : " + in + " -> " + out + "\n%1 = nn.add %0, %b : " + out + ", tensor<" + c + "xf32> -> " + out +
                           "\nkernel.return %1 : " + out + " }");
      ASSERT_TRUE(kernel.compile()) << kernel.message;
      auto x = randomNumbers(2 * 63 * channels), bias = randomNumbers(channels, 2);
      std::vector<float> got(2 * channels, NAN), expected(2 * channels);
      for (int64_t o = 0; o < 2 * channels; ++o) {
        double sum = 0, largest = -INFINITY;
        for (int64_t i = 0; i < 63; ++i) {
          float element = x[(o / channels * 63 + i) * channels + o % channels];
          sum += element, largest = std::max<double>(largest, element);
        }
        expected[o] = float((kind == std::string("max") ? largest : sum / 63) + bias[o % channels]);
      }
      kernel.run({x.data(), bias.data(), got.data()});
      expectNear(got, expected);
    }
  }
}

} // namespace
} // namespace tenon::test
