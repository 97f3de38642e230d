// Kernels that share a launch: blocks of each do what they do by themselves.
#include "test/unit/codegen/KernelHarness.h"
#include <algorithm>
#include <gtest/gtest.h>
#include <random>

namespace tenon::test {
namespace {

using Half = _Float16;

std::vector<Half> noise(size_t count, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  std::vector<Half> values(count);
  std::generate(values.begin(), values.end(), [&] { return Half(normal(random)); });
  return values;
}

/// A pool of nine blocks of 64 threads, of which a cluster has four, then a product of 16 blocks of 128 threads that share the depth of a tile by
/// fours.
const char *const kText = R"(
kernel.func private @k(%y: tensor<1x8x9x64xf16>, %x: tensor<196x256xf16>, %packed: tensor<64x256xf16>) -> (tensor<196x64xf16>, tensor<1x8x9x64xf16>) {
  %0 = kernel.dispatch @pool(%y) : (tensor<1x8x9x64xf16>) -> tensor<1x8x9x64xf16>
  %1 = kernel.dispatch @product(%x, %packed) : (tensor<196x256xf16>, tensor<64x256xf16>) -> tensor<196x64xf16>
  kernel.return %1, %0 : tensor<196x64xf16>, tensor<1x8x9x64xf16>
}
kernel.func private @pool(%x: tensor<1x8x9x64xf16>) -> tensor<1x8x9x64xf16> attributes {
    schedule = #kernel.schedule<"gpu.pool", {threads = 64 : i64}>, tasks = #nn.expr<576>, tenon.alignments = array<i64: 16, 16>} {
  %0 = nn.pool %x {kind = #nn.pool_kind<max>, layout = #nn.layout<channels_last>, window = array<i64: 3, 3>, strides = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>, dilations = array<i64: 1, 1>} : tensor<1x8x9x64xf16> -> tensor<1x8x9x64xf16>
  kernel.return %0 : tensor<1x8x9x64xf16>
}
kernel.func private @product(%x: tensor<196x256xf16>, %packed: tensor<64x256xf16> {kernel.constant}) -> tensor<196x64xf16> attributes {
    schedule = #kernel.schedule<"gpu.matrix", {rows = 64 : i64, columns = 64 : i64, warp_rows = 4 : i64, warp_columns = 1 : i64, warp_depth = 1 : i64, stages = 2 : i64, splits = 4 : i64, groups = 1 : i64}>,
    tasks = #nn.expr<16>, tenon.alignments = array<i64: 16, 16, 16>} {
  %w = kernel.unpack %packed {packing = #kernel.packing<padded = [64, 256], split = [64, 256], perm = [0, 1]>} : tensor<64x256xf16> -> tensor<64x256xf16>
  %0 = nn.matmul %x, %w {transpose_rhs} : tensor<196x256xf16>, tensor<64x256xf16> -> tensor<196x64xf16>
  kernel.return %0 : tensor<196x64xf16>
})";

TEST(GpuBeside, BlocksOfEachPart) {
  constexpr int kRows = 196, kColumns = 64, kDepth = 256, kHeight = 8, kWidth = 9, kChannels = 64;
  std::vector<Half> image = noise(kHeight * kWidth * kChannels, 1), left = noise(kRows * kDepth, 2), right = noise(kColumns * kDepth, 3);
  for (bool isEager : {false, true}) {
    KernelHarness harness(kText, "cuda:sm_90a");
    ASSERT_TRUE(harness.compile("#kernel.schedule<\"gpu.beside\", {}>")) << harness.message;
    std::vector<Half> product(kRows * kColumns, Half(-77)), pooled(image.size(), Half(-77));
    ASSERT_EQ(harness.runOnGpu({image.data(), left.data(), right.data(), product.data(), pooled.data()}, KernelHarness::Sizes(), isEager), "");
    for (int row = 0; row < kRows; ++row)
      for (int column = 0; column < kColumns; ++column) {
        float sum = 0;
        for (int k = 0; k < kDepth; ++k)
          sum += float(left[row * kDepth + k]) * float(right[column * kDepth + k]);
        ASSERT_NEAR(float(product[row * kColumns + column]), sum, 0.05) << row << ", " << column;
      }
    for (int row = 0; row < kHeight; ++row)
      for (int column = 0; column < kWidth; ++column)
        for (int channel = 0; channel < kChannels; ++channel) {
          Half most = image[(row * kWidth + column) * kChannels + channel];
          for (int r = std::max(0, row - 1); r <= std::min(kHeight - 1, row + 1); ++r)
            for (int s = std::max(0, column - 1); s <= std::min(kWidth - 1, column + 1); ++s)
              most = std::max(most, image[(r * kWidth + s) * kChannels + channel]);
          ASSERT_EQ(pooled[(row * kWidth + column) * kChannels + channel], most) << row << ", " << column << ", " << channel;
        }
  }
}

} // namespace
} // namespace tenon::test
