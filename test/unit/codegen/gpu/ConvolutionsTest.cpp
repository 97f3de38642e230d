// Convolutions, their gates and pools.
#include "test/unit/codegen/gpu/GpuCheck.h"

namespace tenon::test {
namespace {

TEST(GpuConvolutions, Windows) {
  GpuCheck{.family = "gpu.matrix", .targets = {"cuda:sm_75", "cuda:sm_80"}}(convolution({1, 9, 11, 16}, {24, 16, 3, 3}, 1, 1));
  GpuCheck{.family = "gpu.matrix", .ways = {"direct = 1", "direct = 0, groups = 0"}}(convolution({2, 9, 11, 24}, {40, 24, 3, 3}, 2, 1));
}

TEST(GpuConvolutions, TensorMapsOfImages) {
  GpuCheck{.family = "gpu.matrix", .ways = {"tma = 1"}}(convolution({2, 15, 13, 64}, {128, 64, 3, 3}, 1, 1));
  GpuCheck{.family = "gpu.matrix", .ways = {"tma = 1"}}(convolution({3, 14, 14, 128}, {128, 128, 3, 3}, 2, 1));
}

TEST(GpuConvolutions, ResidentWeights) {
  const char *schedule = "rows = 128, columns = 32, warp_rows = 4, warp_columns = 1, warp_depth = 1, stages = 4, splits = 1, groups = 1, resident = "
                         "1, teams = 2, tile_width = 20";
  GpuCheck{.family = "gpu.matrix", .given = {schedule}}(convolution({2, 20, 20, 32}, {32, 32, 3, 3}, 1, 1));
}

/// Of resident weights whose tiles come through tensor maps.
static std::string mapped(int64_t columns, int64_t width, const std::string &more) {
  return "columns = " + std::to_string(columns) +
         ", warp_rows = 4, warp_columns = 1, warp_depth = 1, splits = 1, groups = 1, resident = 1, tma = 1, tile_width = " + std::to_string(width) +
         ", " + more;
}

/// A convolution of `channels` of an image's, from `first` on.
static std::string ofSlice(int64_t first, int64_t channels, int64_t all, int64_t stride) {
  int64_t pixels = 14 / stride;
  std::string x = tensor({2, 14, 14, all}, "f16"), own = tensor({2, 14, 14, channels}, "f16"), w = tensor({32, channels, 3, 3}, "f16");
  std::string y = tensor({2, pixels, pixels, 32}, "f16");
  return "kernel.func private @k(%x: " + x + ", %w: " + w + " {kernel.constant}) -> " + y + " {\n%0 = nn.slice %x {sizes = #nn.dims<[2, 14, 14, " +
         std::to_string(channels) + "]>, starts = #nn.dims<[0, 0, 0, " + std::to_string(first) + "]>, steps = array<i64: 1, 1, 1, 1>} : " + x +
         " -> " + own + "\n%1 = nn.conv %0, %w {strides = " + array({stride, stride}) +
         ", pads = array<i64: 1, 1, 1, 1>, dilations = array<i64: 1, 1>, " + "layout = #nn.layout<channels_last>} : " + own + ", " + w + " -> " + y +
         "\nkernel.return %1 : " + y + " }";
}

// Rows of 64, 128 and 32 bytes, and of 80 channels two kinds.
TEST(GpuConvolutions, ResidentWeightsThroughMaps) {
  for (int64_t channels : {16, 32, 64, 80})
    GpuCheck{.family = "gpu.matrix",
             .given = {mapped(32, 10, "rows = 64, stages = 3, teams = 2"), mapped(32, 20, "rows = 128, stages = 4, teams = 1, together = 2")}}(
        convolution({2, 20, 20, channels}, {32, channels, 3, 3}, 1, 1));
}

// Pixels in pairs, of which a tap reads one; and pixels of each remainder.
TEST(GpuConvolutions, ResidentWeightsAtStride2ThroughMaps) {
  for (int64_t channels : {16, 32, 64})
    GpuCheck{.family = "gpu.matrix",
             .given = {mapped(32, 10, "rows = 64, stages = 2, teams = 1")}}(convolution({2, 20, 20, channels}, {32, channels, 3, 3}, 2, 1));
  GpuCheck{.family = "gpu.matrix", .given = {mapped(32, 5, "rows = 64, stages = 2, teams = 2")}}(convolution({2, 20, 20, 16}, {32, 16, 2, 2}, 2, 0));
}

TEST(GpuConvolutions, ResidentWeightsOfChannelsThroughMaps) {
  for (int64_t stride : {1, 2})
    GpuCheck{.family = "gpu.matrix", .given = {mapped(32, 7, "rows = 64, stages = 2, teams = 2")}, .onCpu = true}(
        ofSlice(/*first=*/16, /*channels=*/32, /*all=*/56, stride));
}

// Maps count two bytes as one element, and an f32 as two; the directions of tiles are turned as for others.
TEST(GpuConvolutions, ResidentWeightsOfOtherTypesThroughMaps) {
  std::string given = mapped(32, 10, "rows = 64, stages = 3, teams = 2");
  GpuCheck{.family = "gpu.matrix", .given = {given}, .tolerance = 8e-3}(convolution({2, 20, 20, 32}, {32, 32, 3, 3}, 1, 1, "bf16"));
  GpuCheck{.family = "gpu.matrix", .given = {given}, .tolerance = 4e-3}(inTf32(convolution({2, 20, 20, 16}, {32, 16, 3, 3}, 2, 1, "f32")));
  GpuCheck{.family = "gpu.matrix", .given = {given}, .tolerance = 1e-9, .onCpu = true}(R"(
kernel.func private @k(%x: tensor<2x20x20x96xui8>, %w: tensor<32x96x3x3xi8> {kernel.constant}) -> tensor<2x20x20x32xi32> attributes {tenon.backward} {
  %0 = nn.conv %x, %w {strides = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>, dilations = array<i64: 1, 1>, layout = #nn.layout<channels_last>} : tensor<2x20x20x96xui8>, tensor<32x96x3x3xi8> -> tensor<2x20x20x32xi32>
  kernel.return %0 : tensor<2x20x20x32xi32>
})");
}

// Images of odd sizes at stride 2 have no map, nor have copies of more than 256 pixels a row: threads bring what it would.
TEST(GpuConvolutions, ResidentWeightsInRowsWithoutMaps) {
  for (int64_t channels : {16, 64})
    GpuCheck{.family = "gpu.matrix",
             .given = {mapped(32, 8, "rows = 64, stages = 2, teams = 1")}}(convolution({2, 15, 15, channels}, {32, channels, 3, 3}, 2, 1));
  GpuCheck{.family = "gpu.matrix",
           .given = {mapped(16, 300, "rows = 320, stages = 2, teams = 1")}}(convolution({1, 3, 300, 48}, {16, 48, 3, 3}, 1, 1));
}

// A chunk of 16 bytes has four elements.
TEST(GpuConvolutions, OfLeadingBits) {
  constexpr double kTf32 = 4e-3;
  GpuCheck{.family = "gpu.matrix", .ways = {"direct = 1", "direct = 0, groups = 0", "groups = 1, pipeline = 0"}, .tolerance = kTf32}(
      inTf32(convolution({2, 9, 11, 24}, {40, 24, 3, 3}, 2, 1, "f32")));
  const char *schedule = "rows = 128, columns = 32, warp_rows = 4, warp_columns = 1, warp_depth = 1, stages = 4, splits = 1, groups = 1, resident = "
                         "1, teams = 2, tile_width = 20";
  GpuCheck{.family = "gpu.matrix", .given = {schedule}, .tolerance = kTf32}(inTf32(convolution({2, 20, 20, 8}, {32, 8, 3, 3}, 1, 1, "f32")));
}

TEST(GpuConvolutions, Pipelines) {
  const char *schedule =
      "rows = 128, columns = 96, warp_rows = 8, warp_columns = 1, warp_depth = 1, stages = 5, splits = 1, groups = 1, pipeline = 1";
  GpuCheck{.family = "gpu.matrix", .given = {schedule}}(convolution({2, 10, 10, 64}, {96, 64, 3, 3}, 1, 1));
}

TEST(GpuConvolutions, Depthwise) {
  GpuCheck{.family = "gpu.depthwise", .targets = {"cuda:sm_75", "cuda:sm_90"}}(convolution({1, 14, 14, 48}, {48, 1, 3, 3}, 1, 1, "f16", 48));
  GpuCheck{.family = "gpu.depthwise", .given = {"lanes = 2, pixels = 4, rows = 4", "lanes = 8, pixels = 2, rows = 1"}}(
      convolution({2, 12, 12, 32}, {32, 1, 3, 3}, 1, 1, "f16", 32));
  GpuCheck{.family = "gpu.depthwise"}(convolution({1, 13, 13, 24}, {24, 1, 5, 5}, 2, 2, "f16", 24));
  GpuCheck{.family = "gpu.depthwise", .tolerance = 3e-6}(convolution({1, 9, 9, 24}, {24, 1, 3, 3}, 1, 1, "f32", 24));
}

/// With arguments at multiples of 16 bytes, whose chunks are copied; else elements are gathered.
std::string aligned(std::string text) {
  size_t body = text.find(" {\n");
  return text.insert(body, " attributes {tenon.alignments = array<i64: 16, 16, 16, 16>}");
}

// A tile has the columns of one group, or a part of them, and reads its channels.
TEST(GpuConvolutions, OfGroups) {
  GpuCheck{.family = "gpu.matrix", .targets = {"cuda:sm_75", "cuda:sm_90a"}}(convolution({1, 9, 11, 64}, {64, 16, 3, 3}, 1, 1, "f16", 4));
  GpuCheck check{.family = "gpu.matrix", .ways = {"columns = 16, warp_depth = 2", "columns = 48, splits = 2", "warp_depth = 4"}};
  check(aligned(convolution({2, 8, 9, 144}, {96, 72, 3, 3}, 2, 1, "f16", 2)));
  check.ways = {"rows = 128", "columns = 16"};
  check.tolerance = 1.5e-2;
  check(aligned(convolution({1, 6, 7, 96}, {192, 32, 1, 1}, 1, 0, "bf16", 3)));
  check.tolerance = 1e-5;
  check(aligned(convolution({1, 6, 7, 48}, {96, 16, 3, 3}, 1, 1, "f32", 3)));
  check(convolution({1, 6, 7, 48}, {96, 16, 3, 3}, 1, 1, "f32", 3));
}

TEST(GpuConvolutions, OfAnImage) {
  const char *text = R"(
kernel.func private @k(%x: tensor<1x3x32x32xf32>, %w: tensor<16x3x3x3xf16> {kernel.constant}, %b: tensor<16xf16>) -> tensor<1x16x16x16xf16> {
  %0 = nn.transpose %x {perm = array<i64: 0, 2, 3, 1>} : tensor<1x3x32x32xf32> -> tensor<1x32x32x3xf32>
  %1 = nn.cast %0 {to = f16} : tensor<1x32x32x3xf32> -> tensor<1x32x32x3xf16>
  %2 = nn.conv %1, %w bias %b {strides = array<i64: 2, 2>, pads = array<i64: 1, 1, 1, 1>, dilations = array<i64: 1, 1>, layout = #nn.layout<channels_last>} : tensor<1x32x32x3xf16>, tensor<16x3x3x3xf16>, tensor<16xf16> -> tensor<1x16x16x16xf16>
  %3 = nn.relu %2 : tensor<1x16x16x16xf16> -> tensor<1x16x16x16xf16>
  kernel.return %3 : tensor<1x16x16x16xf16>
})";
  GpuCheck{.family = "gpu.stem", .targets = {"cuda:sm_80", "cuda:sm_90a"}, .tolerance = 2e-3}(text);
  GpuCheck{.family = "gpu.stem", .given = {"rows = 2, columns = 16, warps = 4, together = 1, lanes = 2"}, .tolerance = 2e-3}(text);
}

TEST(GpuConvolutions, OfBytes) {
  GpuCheck{.family = "gpu.matrix", .targets = {"cuda:sm_75", "cuda:sm_90a"}, .tolerance = 1e-9, .onCpu = true}(R"(
kernel.func private @k(%x: tensor<1x9x9x32xui8>, %w: tensor<48x32x3x3xi8> {kernel.constant}, %b: tensor<48xi32> {kernel.constant}) -> tensor<1x9x9x48xui8> {
  %z = nn.constant dense<3> : tensor<ui8>
  %s = nn.constant dense<0.02> : tensor<f32>
  %0 = nn.pad %x value %z {high = #nn.dims<[0, 1, 1, 0]>, low = #nn.dims<[0, 1, 1, 0]>} : tensor<1x9x9x32xui8>, tensor<ui8> -> tensor<1x11x11x32xui8>
  %1 = nn.conv %0, %w bias %b {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, layout = #nn.layout<channels_last>} : tensor<1x11x11x32xui8>, tensor<48x32x3x3xi8>, tensor<48xi32> -> tensor<1x9x9x48xi32>
  %2 = nn.cast %1 {to = f32} : tensor<1x9x9x48xi32> -> tensor<1x9x9x48xf32>
  %3 = nn.mul %2, %s : tensor<1x9x9x48xf32>, tensor<f32> -> tensor<1x9x9x48xf32>
  %4 = nn.quantize %3 {to = ui8, zero_point = 5 : i64} : tensor<1x9x9x48xf32> -> tensor<1x9x9x48xui8>
  kernel.return %4 : tensor<1x9x9x48xui8>
})");
}

TEST(GpuConvolutions, Gates) {
  GpuCheck{.family = "gpu.gate", .tolerance = 2e-3}(R"(
kernel.func private @k(%x: tensor<1x1x1x96xf16>, %w0: tensor<8x96x1x1xf16> {kernel.constant}, %b0: tensor<8xf16> {kernel.constant}, %w1: tensor<96x8x1x1xf16> {kernel.constant}) -> tensor<1x1x1x96xf16> {
  %0 = nn.conv %x, %w0 bias %b0 {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, layout = #nn.layout<channels_last>} : tensor<1x1x1x96xf16>, tensor<8x96x1x1xf16>, tensor<8xf16> -> tensor<1x1x1x8xf16>
  %1 = nn.silu %0 : tensor<1x1x1x8xf16> -> tensor<1x1x1x8xf16>
  %2 = nn.conv %1, %w1 {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, layout = #nn.layout<channels_last>} : tensor<1x1x1x8xf16>, tensor<96x8x1x1xf16> -> tensor<1x1x1x96xf16>
  %3 = nn.sigmoid %2 : tensor<1x1x1x96xf16> -> tensor<1x1x1x96xf16>
  kernel.return %3 : tensor<1x1x1x96xf16>
})");
}

TEST(GpuConvolutions, GatedOperands) {
  GpuCheck{.family = "gpu.matrix", .ways = {"direct = 1", "direct = 0, groups = 0"}, .tolerance = 2e-3}(R"(
kernel.func private @k(%x: tensor<1x7x7x96xf16>, %gate: tensor<1x1x1x96xf16>, %w: tensor<40x96x1x1xf16> {kernel.constant}) -> tensor<1x7x7x40xf16> {
  %0 = nn.mul %x, %gate : tensor<1x7x7x96xf16>, tensor<1x1x1x96xf16> -> tensor<1x7x7x96xf16>
  %1 = nn.conv %0, %w {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, layout = #nn.layout<channels_last>} : tensor<1x7x7x96xf16>, tensor<40x96x1x1xf16> -> tensor<1x7x7x40xf16>
  kernel.return %1 : tensor<1x7x7x40xf16>
})");
}

TEST(GpuConvolutions, Pools) {
  GpuCheck{.family = "gpu.pool", .targets = {"cuda:sm_80", "cuda:sm_90"}, .tolerance = 1e-9, .onCpu = true}(R"(
kernel.func private @k(%x: tensor<1x10x10x32xf16>) -> tensor<1x10x10x32xf16> {
  %0 = nn.pool %x {kind = #nn.pool_kind<max>, window = array<i64: 5, 5>, strides = array<i64: 1, 1>, pads = array<i64: 2, 2, 2, 2>, dilations = array<i64: 1, 1>, layout = #nn.layout<channels_last>} : tensor<1x10x10x32xf16> -> tensor<1x10x10x32xf16>
  kernel.return %0 : tensor<1x10x10x32xf16>
})");
}

} // namespace
} // namespace tenon::test
