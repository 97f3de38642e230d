// Products by matrix units: every type of factors, every way to compute them.
#include "test/unit/codegen/gpu/GpuCheck.h"

namespace tenon::test {
namespace {

/// relu(x w + b), the weights known.
std::string product(int64_t rows, int64_t columns, int64_t depth, const std::string &element) {
  std::string x = tensor({rows, depth}, element), w = tensor({columns, depth}, element), b = tensor({columns}, element),
              y = tensor({rows, columns}, element);
  return "kernel.func private @k(%x: " + x + ", %w: " + w + " {kernel.constant}, %b: " + b + " {kernel.constant}) -> " + y +
         " {\n%0 = nn.matmul %x, %w {transpose_rhs} : " + x + ", " + w + " -> " + y + "\n%1 = nn.add %0, %b : " + y + ", " + b + " -> " + y +
         "\n%2 = nn.relu %1 : " + y + " -> " + y + "\nkernel.return %2 : " + y + " }";
}

constexpr double kTf32 = 4e-3; // of each factor the leading 11 bits count
const std::string kStaged = "direct = 0, groups = 0, pipeline = 0";

TEST(GpuProducts, OfWarps) {
  GpuCheck{.family = "gpu.matrix", .targets = {"cuda:sm_75", "cuda:sm_80"}, .ways = {"direct = 1", kStaged}}(product(100, 72, 200, "f16"));
  GpuCheck{.family = "gpu.matrix", .ways = {"direct = 1, warp_depth = 4", kStaged + ", warp_depth = 2"}}(product(37, 96, 256, "f16"));
  GpuCheck{.family = "gpu.matrix", .targets = {"cuda:sm_87"}, .tolerance = 8e-3}(product(70, 64, 96, "bf16"));
}

// What the layers of a transformer add up in f32, of products in bf16.
TEST(GpuProducts, ThatAddFloats) {
  std::string x = tensor({70, 256}, "bf16"), w = tensor({64, 256}, "bf16"), y = tensor({70, 64}, "bf16"), r = tensor({70, 64}, "f32");
  GpuCheck check{.family = "gpu.matrix", .tolerance = 8e-3};
  check.ways = {"direct = 1", kStaged, "groups = 1, pipeline = 0", "groups = 1, pipeline = 0, splits = 2"};
  check("kernel.func private @k(%x: " + x + ", %w: " + w + " {kernel.constant}, %r: " + r + ") -> " + r +
        " {\n%0 = nn.matmul %x, %w {transpose_rhs} : " + x + ", " + w + " -> " + y + "\n%1 = nn.cast %0 {to = f32} : " + y + " -> " + r +
        "\n%2 = nn.add %r, %1 : " + r + ", " + r + " -> " + r + "\nkernel.return %2 : " + r + " }");
}

TEST(GpuProducts, OfOddDepths) {
  GpuCheck{.family = "gpu.matrix", .ways = {kStaged}}(product(40, 33, 77, "f16"));
}

TEST(GpuProducts, OfOneRow) {
  GpuCheck{.family = "gpu.matrix"}(product(1, 200, 320, "f16"));
}

// Three products of parts of 11 bits: as exact as f32. With one alone the leading bits count.
TEST(GpuProducts, OfFloats) {
  GpuCheck{.family = "gpu.matrix", .targets = {"cuda:sm_80", "cuda:sm_90a"}, .tolerance = 2e-6}(product(60, 64, 128, "f32"));
}

TEST(GpuProducts, OfLeadingBits) {
  const std::vector<std::string> ways = {"direct = 1", kStaged, "groups = 1, pipeline = 0", "groups = 1, pipeline = 0, splits = 2", "pipeline = 1"};
  GpuCheck{.family = "gpu.matrix", .ways = ways, .tolerance = kTf32}(inTf32(product(70, 128, 128, "f32")));
  const char *resident =
      "rows = 128, columns = 96, warp_rows = 4, warp_columns = 1, warp_depth = 1, stages = 8, splits = 1, groups = 1, resident = 1, teams = 2";
  GpuCheck{.family = "gpu.matrix", .given = {resident}, .tolerance = kTf32}(inTf32(product(700, 96, 24, "f32")));
}

TEST(GpuProducts, OfClusters) {
  GpuCheck{.family = "gpu.matrix", .targets = {"cuda:sm_90"}, .ways = {kStaged + ", splits = 2", kStaged + ", splits = 4"}}(
      product(64, 64, 1024, "f16"));
}

TEST(GpuProducts, OfGroups) {
  GpuCheck{.family = "gpu.matrix",
           .ways = {"groups = 1, pipeline = 0", "groups = 1, pipeline = 0, splits = 2", "pipeline = 1"}}(product(150, 192, 320, "f16"));
}

// Copies by tensor maps arrive at barriers, which blocks of a cluster share the depth of.
TEST(GpuProducts, OfTensorMaps) {
  GpuCheck{.family = "gpu.matrix", .ways = {"tma = 1"}}(product(200, 128, 512, "f16"));
  const char *shared = "rows = 128, columns = 128, warp_rows = 8, warp_columns = 1, warp_depth = 1, stages = 4, splits = 2, groups = 1, tma = 1";
  GpuCheck{.family = "gpu.matrix", .given = {shared}}(product(150, 128, 512, "f16"));
}

TEST(GpuProducts, OfResidentWeights) {
  const char *schedule =
      "rows = 128, columns = 96, warp_rows = 4, warp_columns = 1, warp_depth = 1, stages = 8, splits = 1, groups = 1, resident = 1, teams = 2";
  GpuCheck{.family = "gpu.matrix", .given = {schedule}}(product(700, 96, 24, "f16"));
  // Through tensor maps, of rows of 64 and 32 bytes.
  const char *mapped = "rows = 128, columns = 96, warp_rows = 4, warp_columns = 1, warp_depth = 1, stages = 8, splits = 1, groups = 1, resident = 1, "
                       "teams = 2, tma = 1";
  GpuCheck{.family = "gpu.matrix", .given = {mapped}}(product(700, 96, 48, "f16"));
}

// Two images side by side, of which the small one repeats its pixels along rows and columns (nn-upsample-into-products).
TEST(GpuProducts, OfRowsThatRepeat) {
  std::string x = tensor({2, 5, 1, 6, 1, 24}, "f16"), y = tensor({2, 5, 3, 6, 2, 40}, "f16"), w = tensor({32, 64}, "f16"),
              z = tensor({2, 5, 3, 6, 2, 32}, "f16");
  std::string large = tensor({2, 5, 3, 6, 2, 24}, "f16"), both = tensor({2, 5, 3, 6, 2, 64}, "f16");
  GpuCheck{.family = "gpu.matrix", .ways = {"direct = 1", kStaged, "groups = 1, pipeline = 0"}, .onCpu = true}(
      "kernel.func private @k(%x: " + x + ", %y: " + y + ", %w: " + w + " {kernel.constant}) -> " + z +
      " {\n%0 = nn.expand %x {dims = #nn.dims<[2, 5, 3, 6, 2, 24]>} : " + x + " -> " + large + "\n%1 = nn.concat %0, %y {axis = 5 : i64} : " + large +
      ", " + y + " -> " + both + "\n%2 = nn.matmul %1, %w {transpose_rhs} : " + both + ", " + w + " -> " + z + "\nkernel.return %2 : " + z + " }");
}

// Tasks from the last to the first (gpu/Directions.h): blocks that have one, and those that stay for many.
TEST(GpuProducts, Backwards) {
  auto backwards = [](std::string text) {
    text.insert(text.find(" {\n"), " attributes {tenon.backward}");
    return text;
  };
  GpuCheck{.family = "gpu.matrix",
           .ways = {"direct = 1", kStaged, "groups = 1, pipeline = 0", "pipeline = 1", "tma = 1"}}(backwards(product(300, 192, 128, "f16")));
  const char *resident =
      "rows = 128, columns = 96, warp_rows = 4, warp_columns = 1, warp_depth = 1, stages = 8, splits = 1, groups = 1, resident = 1, teams = 2";
  GpuCheck{.family = "gpu.matrix", .given = {resident}}(backwards(product(700, 96, 24, "f16")));
}

/// Sums of bytes are exact.
std::string byteProduct(int64_t rows, int64_t columns, int64_t depth) {
  std::string x = tensor({rows, depth}, "ui8"), w = tensor({columns, depth}, "i8"), y = tensor({rows, columns}, "i32");
  return "kernel.func private @k(%x: " + x + ", %w: " + w + " {kernel.constant}) -> " + y + " {\n%0 = nn.matmul %x, %w {transpose_rhs} : " + x +
         ", " + w + " -> " + y + "\nkernel.return %0 : " + y + " }";
}

TEST(GpuProducts, OfBytes) {
  GpuCheck{.family = "gpu.matrix", .targets = {"cuda:sm_75", "cuda:sm_80", "cuda:sm_90a"}, .tolerance = 1e-9, .onCpu = true}(byteProduct(50, 48, 96));
  GpuCheck{.family = "gpu.matrix", .ways = {"groups = 1, pipeline = 0", "tma = 1"}, .tolerance = 1e-9, .onCpu = true}(byteProduct(200, 128, 512));
}

// What an earlier product summed up of its rows normalizes what this one reads.
TEST(GpuProducts, GiveAndTakeSumsOfRows) {
  GpuCheck{.family = "gpu.matrix", .tolerance = 2e-3}(R"(
kernel.func private @k(%x: tensor<40x64xf16>, %w: tensor<96x64xf16> {kernel.constant}) -> (tensor<40x96xf16>, tensor<40x3xf32>, tensor<40x3xf32>) {
  %0 = nn.matmul %x, %w {transpose_rhs} : tensor<40x64xf16>, tensor<96x64xf16> -> tensor<40x96xf16>
  %1 = nn.relu %0 : tensor<40x96xf16> -> tensor<40x96xf16>
  %2 = nn.reshape %1 {dims = #nn.dims<[40, 3, 32]>} : tensor<40x96xf16> -> tensor<40x3x32xf16>
  %3 = nn.cast %2 {to = f32} : tensor<40x3x32xf16> -> tensor<40x3x32xf32>
  %4 = nn.reduce %3 {kind = #nn.reduce_kind<sum>, axes = array<i64: 2>} : tensor<40x3x32xf32> -> tensor<40x3xf32>
  %5 = nn.reduce %3 {kind = #nn.reduce_kind<sum_square>, axes = array<i64: 2>} : tensor<40x3x32xf32> -> tensor<40x3xf32>
  kernel.return %1, %4, %5 : tensor<40x96xf16>, tensor<40x3xf32>, tensor<40x3xf32>
})");
}

} // namespace
} // namespace tenon::test
