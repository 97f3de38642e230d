// Attention, rows, columns, transposes, and what the general road computes.
#include "test/unit/codegen/gpu/GpuCheck.h"

namespace tenon::test {
namespace {

struct Heads {
  int64_t depth = 64, width = 64; // columns of a key and of a value
  int64_t alignment = 0;          // of arguments, as far as is known
};

std::string attention(int64_t rows, int64_t keys, const std::string &element, const std::string &options = "", const std::string &mask = "",
                      int64_t keyHeads = 2, Heads heads = {}) {
  std::string q = tensor({1, 2, rows, heads.depth}, element), k = tensor({1, keyHeads, keys, heads.depth}, element);
  std::string v = tensor({1, keyHeads, keys, heads.width}, element), y = tensor({1, 2, rows, heads.width}, element), marks;
  if (heads.alignment) {
    std::string each = std::to_string(heads.alignment);
    marks = " attributes {tenon.alignments = array<i64: " + each + ", " + each + ", " + each + (mask.empty() ? "" : ", " + each) + ", " + each + ">}";
  }
  return "kernel.func private @k(%q: " + q + ", %k: " + k + ", %v: " + v + (mask.empty() ? "" : ", %m: " + mask) + ") -> " + y + marks +
         " {\n%0 = nn.attention %q, %k, %v " + (mask.empty() ? "" : "mask %m : " + mask) + " {scale = 0.125 : f64" + options + "} : " + q + ", " + k +
         ", " + v + " -> " + y + "\nkernel.return %0 : " + y + " }";
}

TEST(GpuAttention, Heads) {
  GpuCheck{.family = "gpu.attention", .targets = {"cuda:sm_75", "cuda:sm_80", "cuda:sm_90a"}, .tolerance = 2e-3}(attention(40, 72, "f16"));
  GpuCheck{.family = "gpu.attention", .tolerance = 1e-5}(attention(40, 72, "f32"));
  GpuCheck{.family = "gpu.attention", .tolerance = 1.5e-2}(attention(33, 40, "bf16"));
}

TEST(GpuAttention, MasksAndPast) {
  GpuCheck check{.family = "gpu.attention", .tolerance = 2e-3};
  check(attention(37, 37, "f16", ", causal"));
  check(attention(5, 90, "f16", ", causal", "", 1));
  check(attention(20, 48, "f16", "", tensor({1, 1, 1, 48}, "f16")));
  check(attention(1, 200, "f16"));
}

// Keys and values that end within a fragment, in each of the three ways: shared memory of a warp's own, of a block's, and none.
const std::vector<std::string> kAttentionWays = {"warps = 3, row_warps = 1, slots = 1", "warps = 1, row_warps = 2, slots = 2",
                                                 "warps = 2, row_warps = 1, slots = 0"};

TEST(GpuAttention, OfAnyWidth) {
  GpuCheck check{.family = "gpu.attention", .targets = {"cuda:sm_80"}, .given = kAttentionWays, .tolerance = 2e-3};
  for (Heads heads : {Heads{80, 24, 16}, Heads{36, 100}, Heads{33, 11}})
    check(attention(20, 81, "f16", "", "", 2, heads));
  check(attention(40, 81, "f16", "", "", 2, {40, 40, 16})); // five chunks a row: what a block stores ends before the next one's rows
  check.tolerance = 1.5e-2;
  check(attention(33, 70, "bf16", ", causal", tensor({1, 1, 33, 70}, "bf16"), 1, {72, 40, 16}));
}

TEST(GpuAttention, OfWideHeads) {
  GpuCheck check{.family = "gpu.attention",
                 .targets = {"cuda:sm_80"},
                 .given = {"warps = 1, row_warps = 2, slots = 2", "warps = 2, row_warps = 1, slots = 0"},
                 .tolerance = 2e-3};
  for (Heads heads : {Heads{160, 160, 16}, Heads{256, 256, 16}, Heads{136, 200}})
    check(attention(20, 70, "f16", ", causal", "", 1, heads));
  check.targets = {"cuda:sm_75"};
  check.given = {"warps = 2, row_warps = 1, slots = 0"};
  check(attention(20, 40, "f16", "", tensor({1, 2, 1, 40}, "f16"), 2, {64, 256}));
}

TEST(GpuAttention, OfAnyWidthInF32) {
  GpuCheck check{.family = "gpu.attention", .targets = {"cuda:sm_80"}, .given = {"warps = 2, row_warps = 1, slots = 0"}, .tolerance = 1e-5};
  for (Heads heads : {Heads{40, 40, 16}, Heads{37, 19}, Heads{256, 256, 16}, Heads{200, 136}})
    check(attention(20, 45, "f32", ", causal", "", 1, heads));
}

TEST(GpuRows, SoftmaxAndNorms) {
  GpuCheck check{.family = "gpu.rows", .targets = {"cuda:sm_75", "cuda:sm_90"}, .tolerance = 1e-5, .onCpu = true};
  check(R"(
kernel.func private @k(%x: tensor<9x131xf32>) -> tensor<9x131xf32> {
  %0 = nn.softmax %x {axis = 1 : i64} : tensor<9x131xf32> -> tensor<9x131xf32>
  kernel.return %0 : tensor<9x131xf32>
})");
  check(R"(
kernel.func private @k(%x: tensor<9x64xf32>) -> tensor<9xf32> {
  %0 = nn.reduce %x {kind = #nn.reduce_kind<mean>, axes = array<i64: 1>} : tensor<9x64xf32> -> tensor<9xf32>
  kernel.return %0 : tensor<9xf32>
})");
  check.tolerance = 8e-3;
  check(R"(
kernel.func private @k(%x: tensor<7x96xf32>, %g: tensor<96xf32>, %b: tensor<96xf32>) -> tensor<7x96xbf16> {
  %0 = nn.layer_norm %x scale %g : tensor<96xf32> bias %b : tensor<96xf32> {axis = 1 : i64, epsilon = 1.0e-5 : f64} : tensor<7x96xf32> -> tensor<7x96xf32>
  %1 = nn.cast %0 {to = bf16} : tensor<7x96xf32> -> tensor<7x96xbf16>
  kernel.return %1 : tensor<7x96xbf16>
})");
  check.tolerance = 2e-3;
  check(R"(
kernel.func private @k(%x: tensor<7x96xf16>, %r: tensor<7x96xf16>, %g: tensor<96xf16>, %b: tensor<96xf16>) -> (tensor<7x96xf16>, tensor<7x96xf16>) {
  %0 = nn.add %x, %r : tensor<7x96xf16>, tensor<7x96xf16> -> tensor<7x96xf16>
  %1 = nn.layer_norm %0 scale %g : tensor<96xf16> bias %b : tensor<96xf16> {axis = 1 : i64, epsilon = 1.0e-5 : f64} : tensor<7x96xf16> -> tensor<7x96xf16>
  kernel.return %0, %1 : tensor<7x96xf16>, tensor<7x96xf16>
})");
}

TEST(GpuColumns, MeansAndMaxima) {
  GpuCheck check{.family = "gpu.columns", .targets = {"cuda:sm_75", "cuda:sm_90"}, .tolerance = 1e-3, .onCpu = true};
  check(R"(
kernel.func private @k(%x: tensor<1x28x28x48xf16>) -> tensor<1x1x1x48xf16> {
  %0 = nn.reduce %x {kind = #nn.reduce_kind<mean>, axes = array<i64: 1, 2>, keep_dims} : tensor<1x28x28x48xf16> -> tensor<1x1x1x48xf16>
  kernel.return %0 : tensor<1x1x1x48xf16>
})");
  check(R"(
kernel.func private @k(%x: tensor<2x7x7x12xf32>) -> tensor<2x12xf32> {
  %0 = nn.reduce %x {kind = #nn.reduce_kind<max>, axes = array<i64: 1, 2>} : tensor<2x7x7x12xf32> -> tensor<2x12xf32>
  kernel.return %0 : tensor<2x12xf32>
})");
}

TEST(GpuTransposes, OfTheInnermostAxis) {
  GpuCheck check{.family = "gpu.transpose", .targets = {"cuda:sm_75", "cuda:sm_90"}, .tolerance = 1e-9};
  check(R"(
kernel.func private @k(%x: tensor<2x200x80xf16>) -> tensor<2x80x200xf16> {
  %0 = nn.transpose %x {perm = array<i64: 0, 2, 1>} : tensor<2x200x80xf16> -> tensor<2x80x200xf16>
  %1 = nn.relu %0 : tensor<2x80x200xf16> -> tensor<2x80x200xf16>
  kernel.return %1 : tensor<2x80x200xf16>
})");
  check(R"(
kernel.func private @k(%x: tensor<76x52xf32>) -> tensor<52x76xf32> {
  %0 = nn.transpose %x {perm = array<i64: 1, 0>} : tensor<76x52xf32> -> tensor<52x76xf32>
  kernel.return %0 : tensor<52x76xf32>
})");
}

TEST(GpuRanks, TheLargest) {
  GpuCheck{.family = "gpu.ranks", .tolerance = 1e-9, .onCpu = true}(R"(
kernel.func private @k(%x: tensor<2x300xf32>) -> (tensor<2x40xf32>, tensor<2x40xi64>) {
  %values, %positions = nn.top_k %x {axis = 1 : i64, k = #nn.dims<[40]>} : tensor<2x300xf32> -> tensor<2x40xf32>, tensor<2x40xi64>
  kernel.return %values, %positions : tensor<2x40xf32>, tensor<2x40xi64>
})");
}

// The functions of the GPU's own unit and the polynomials of halves, from far below 0 to far above.
TEST(GpuLoops, Functions) {
  for (const char *op : {"silu", "sigmoid", "tanh", "gelu", "erf", "exp"})
    for (const char *element : {"f32", "f16"}) {
      std::string t = tensor({8, 64}, element), factor = tensor({}, element);
      bool isHalf = element == std::string("f16");
      GpuCheck{.family = "gpu.loops", .targets = {"cuda:sm_75", "cuda:sm_90"}, .tolerance = isHalf ? 2e-3 : 3e-6, .onCpu = true}(
          "kernel.func private @k(%x: " + t + ") -> " + t + " {\n%c = nn.constant dense<3.0> : " + factor + "\n%0 = nn.mul %x, %c : " + t + ", " +
          factor + " -> " + t + "\n%1 = nn." + op + " %0 : " + t + " -> " + t + "\nkernel.return %1 : " + t + " }");
    }
}

TEST(GpuLoops, FreeSizes) {
  GpuCheck{.family = "gpu.loops", .tolerance = 1e-6, .onCpu = true, .sizes = {{"n", 5}, {"c", 37}}}(R"(
kernel.func private @k(%x: tensor<?x?xf32, #nn.dims<[n, c]>>, %y: tensor<?xf32, #nn.dims<[c]>>) -> tensor<?x?xf32, #nn.dims<[n, c]>> {
  %0 = nn.add %x, %y : tensor<?x?xf32, #nn.dims<[n, c]>>, tensor<?xf32, #nn.dims<[c]>> -> tensor<?x?xf32, #nn.dims<[n, c]>>
  %1 = nn.relu %0 : tensor<?x?xf32, #nn.dims<[n, c]>> -> tensor<?x?xf32, #nn.dims<[n, c]>>
  kernel.return %1 : tensor<?x?xf32, #nn.dims<[n, c]>>
})");
}

// Without matrix units for f32: a thread for each element.
TEST(GpuLoops, ProductsOnSm75) {
  GpuCheck{.family = "gpu.loops", .targets = {"cuda:sm_75"}, .tolerance = 3e-6}(convolution({1, 6, 6, 8}, {12, 8, 3, 3}, 1, 1, "f32"));
}

} // namespace
} // namespace tenon::test
