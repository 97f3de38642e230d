// Rows that blocks and clusters of them share, positions of the best element, groups of channels, softmax along other axes than the last.
#include "test/unit/codegen/gpu/GpuCheck.h"
#include "llvm/Support/FormatVariadic.h"

namespace tenon::test {
namespace {

const std::vector<std::string> kGenerations = {"cuda:sm_75", "cuda:sm_90"}; // without clusters, and with them

std::string unary(const std::string &op, const std::string &attributes, llvm::ArrayRef<int64_t> from, llvm::ArrayRef<int64_t> to,
                  const std::string &element = "f32", const std::string &result = "") {
  std::string x = tensor(from, element), y = tensor(to, result.empty() ? element : result);
  return llvm::formatv("kernel.func private @k(%x: {0}) -> {1} {{\n%0 = nn.{2} %x {{{3}} : {0} -> {1}\nkernel.return %0 : {1} }", x, y, op,
                       attributes)
      .str();
}

std::string groupNorm(llvm::ArrayRef<int64_t> shape, int64_t groups, const std::string &element, bool activates = false) {
  std::string x = tensor(shape, element), c = tensor({shape[1]}, element);
  std::string text = "kernel.func private @k(%x: " + x + ", %g: " + c + ", %b: " + c + ") -> " + x +
                     " {\n%0 = nn.group_norm %x, %g, %b {groups = " + std::to_string(groups) + " : i64, epsilon = 1.0e-5 : f64} : (" + x + ", " + c +
                     ", " + c + ") -> " + x + "\n";
  if (activates)
    text += "%1 = nn.relu %0 : " + x + " -> " + x + "\n";
  return text + "kernel.return %" + (activates ? "1" : "0") + " : " + x + " }";
}

TEST(GpuLongRows, Reductions) {
  GpuCheck check{.family = "gpu.rows", .targets = kGenerations, .tolerance = 1e-5, .onCpu = true};
  // Parts of equal length, parts that are not, elements one by one, several axes; a cluster of eight for one row, of four for three.
  for (auto [rows, length] : {std::pair<int64_t, int64_t>{1, 65536}, {3, 50'000}, {2, 2051}, {40, 4096}})
    for (const char *kind : {"mean", "max", "l2"})
      check(unary("reduce", "kind = #nn.reduce_kind<" + std::string(kind) + ">, axes = array<i64: 1>", {rows, length}, {rows}));
  check(unary("reduce", "kind = #nn.reduce_kind<sum>, axes = array<i64: 1, 2, 3>, keep_dims", {2, 12, 14, 28}, {2, 1, 1, 1}));
  check(unary("reduce", "kind = #nn.reduce_kind<min>, axes = array<i64: 1, 2>", {2, 301, 7}, {2}));
}

TEST(GpuLongRows, SoftmaxAndNorms) {
  GpuCheck check{.family = "gpu.rows", .targets = kGenerations, .tolerance = 1e-5, .onCpu = true};
  check(unary("softmax", "axis = 1 : i64", {2, 32768}, {2, 32768}));
  check(unary("softmax", "axis = 1 : i64, logarithm", {3, 5001}, {3, 5001}));
  check(unary("layer_norm", "axis = 1 : i64, epsilon = 1.0e-5 : f64", {2, 12, 28, 28}, {2, 12, 28, 28}));
  check(unary("rms_norm", "axis = 1 : i64, epsilon = 1.0e-5 : f64", {2, 8192}, {2, 8192}));
}

TEST(GpuLongRows, Best) {
  GpuCheck check{.family = "gpu.rows", .targets = kGenerations, .tolerance = 0, .onCpu = true};
  auto best = [&](const std::string &before, const std::string &options, int64_t rows, int64_t length, const std::string &element) {
    std::string x = tensor({rows, length}, element), f = tensor({rows, length}), y = tensor({rows}, "i64");
    check("kernel.func private @k(%x: " + x + ") -> " + y + " {\n%0 = " + before + " : " + x + " -> " + f +
          "\n%1 = nn.arg_reduce %0 {axis = 1 : i64" + options + "} : " + f + " -> " + y + "\nkernel.return %1 : " + y + " }");
  };
  for (const char *options : {"", ", minimum", ", select_last", ", minimum, select_last"})
    for (auto [rows, length] : {std::pair<int64_t, int64_t>{2, 21}, {5, 160}, {1, 33'000}}) {
      check(unary("arg_reduce", "axis = 1 : i64" + std::string(options), {rows, length}, {rows}, "f16", "i64"));
      best("nn.cast %x {to = f32}", options, rows, length, "i32"); // 0 to 4: most are equal to others
      best("nn.log %x", options, rows, length, "f32");             // half of them NaN
    }
}

TEST(GpuLongRows, Groups) {
  GpuCheck check{.family = "gpu.rows", .targets = kGenerations, .tolerance = 1e-5, .onCpu = true};
  check(groupNorm({2, 32, 16, 16}, 4, "f32"));
  check(groupNorm({1, 6, 7, 7}, 3, "f32", true)); // a warp for each group
  check(groupNorm({1, 2, 120, 130}, 2, "f32"));   // an instance norm
  check.tolerance = 2e-3;
  check(groupNorm({1, 16, 32, 32}, 2, "f16", true));
  check.tolerance = 1.5e-2;
  check(groupNorm({1, 16, 32, 32}, 2, "bf16"));
  check.tolerance = 1e-5, check.sizes = {{"h", 9}, {"w", 14}};
  check(R"(
kernel.func private @k(%x: tensor<1x6x?x?xf32, #nn.dims<[1, 6, h, w]>>, %g: tensor<6xf32>, %b: tensor<6xf32>) -> tensor<1x6x?x?xf32, #nn.dims<[1, 6, h, w]>> {
  %0 = nn.group_norm %x, %g, %b {groups = 2 : i64, epsilon = 1.0e-5 : f64} : (tensor<1x6x?x?xf32, #nn.dims<[1, 6, h, w]>>, tensor<6xf32>, tensor<6xf32>) -> tensor<1x6x?x?xf32, #nn.dims<[1, 6, h, w]>>
  kernel.return %0 : tensor<1x6x?x?xf32, #nn.dims<[1, 6, h, w]>>
})");
}

TEST(GpuLongRows, ReductionsOfColumns) {
  GpuCheck check{.family = "gpu.rows", .targets = kGenerations, .tolerance = 1e-5, .onCpu = true};
  check(unary("reduce", "kind = #nn.reduce_kind<mean>, axes = array<i64: 1>", {2, 500, 49}, {2, 49}));
  check(unary("reduce", "kind = #nn.reduce_kind<max>, axes = array<i64: 1, 2>, keep_dims", {3, 12, 11, 5}, {3, 1, 1, 5}));
  check.tolerance = 0;
  for (const char *options : {"", ", minimum, select_last, keep_dims"}) {
    llvm::SmallVector<int64_t> kept = options[0] ? llvm::SmallVector<int64_t>{2, 1, 49} : llvm::SmallVector<int64_t>{2, 49};
    check(unary("arg_reduce", "axis = 1 : i64" + std::string(options), {2, 500, 49}, kept, "f16", "i64"));
    check(unary("arg_reduce", "axis = 1 : i64" + std::string(options), {2, 65, 49}, kept, "bf16", "i64"));
  }
}

TEST(GpuLongRows, SoftmaxOfColumns) {
  GpuCheck check{.family = "gpu.rows", .targets = kGenerations, .tolerance = 1e-5, .onCpu = true};
  check(unary("softmax", "axis = 1 : i64", {2, 500, 49}, {2, 500, 49}));
  check(unary("softmax", "axis = 1 : i64, logarithm", {1, 5, 300}, {1, 5, 300}));
  check(unary("softmax", "axis = 0 : i64", {21, 9000}, {21, 9000}));
}

} // namespace
} // namespace tenon::test
