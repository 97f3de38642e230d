// Products of two tensors that only a run knows: neither is packed.
#include "test/unit/codegen/gpu/GpuCheck.h"

namespace tenon::test {
namespace {

struct OfRun {
  std::vector<int64_t> x, y, result;
  std::string element = "f16", flags = ""; // of nn.matmul
  std::string xView = "", yView = "";      // an op that makes the operand of %x, of %y; then `x` and `y` are what it makes
  std::vector<int64_t> xFrom = {}, yFrom = {};

  std::string text() const {
    auto from = [&](const std::vector<int64_t> &own, const std::vector<int64_t> &other) { return tensor(own.empty() ? other : own, element); };
    std::string xs = from(xFrom, x), ys = from(yFrom, y), xt = tensor(x, element), yt = tensor(y, element), rt = tensor(result, element);
    std::string text = "kernel.func private @k(%x: " + xs + ", %y: " + ys + ") -> " + rt + " {\n";
    if (!xView.empty())
      text += "%xv = " + xView + " : " + xs + " -> " + xt + "\n";
    if (!yView.empty())
      text += "%yv = " + yView + " : " + ys + " -> " + yt + "\n";
    text += std::string("%0 = nn.matmul ") + (xView.empty() ? "%x" : "%xv") + ", " + (yView.empty() ? "%y" : "%yv") + " {" + flags + "} : " + xt +
            ", " + yt + " -> " + rt;
    return text + "\n%1 = nn.relu %0 : " + rt + " -> " + rt + "\nkernel.return %1 : " + rt + " }";
  }
};

constexpr double kBf16 = 8e-3, kTf32 = 2e-3, kParts = 2e-6;
const std::string kTransposed = "transpose_rhs";

GpuCheck on(std::vector<std::string> targets, double tolerance = 1e-3) {
  return {.family = "gpu.matrix", .targets = std::move(targets), .tolerance = tolerance};
}

// The right operand's rows are of columns, or of the depth.
TEST(GpuProductsOfRun, OfHalves) {
  for (const std::string &flags : {std::string(), kTransposed}) {
    std::vector<int64_t> y = flags.empty() ? std::vector<int64_t>{192, 72} : std::vector<int64_t>{72, 192};
    on({"cuda:sm_75", "cuda:sm_80", "cuda:sm_90a"})(OfRun{.x = {100, 192}, .y = y, .result = {100, 72}, .flags = flags}.text());
    on({"cuda:sm_87"}, kBf16)(OfRun{.x = {100, 192}, .y = y, .result = {100, 72}, .element = "bf16", .flags = flags}.text());
  }
}

TEST(GpuProductsOfRun, OfFloats) {
  for (const std::string &flags : {std::string(), kTransposed}) {
    std::vector<int64_t> y = flags.empty() ? std::vector<int64_t>{96, 72} : std::vector<int64_t>{72, 96};
    OfRun product{.x = {70, 96}, .y = y, .result = {70, 72}, .element = "f32", .flags = flags};
    on({"cuda:sm_80", "cuda:sm_90a"}, kParts)(product.text());
    product.flags = flags.empty() ? "kernel.tf32" : "kernel.tf32, " + flags;
    on({"cuda:sm_80"}, kTf32)(product.text());
  }
}

// Every tile, and warps and blocks that share the depth.
TEST(GpuProductsOfRun, OfEveryTile) {
  const char *tiles[] = {
      "rows = 32, columns = 32, warp_rows = 2, warp_columns = 1, warp_depth = 4, stages = 3",
      "rows = 64, columns = 64, warp_rows = 2, warp_columns = 2, warp_depth = 2, stages = 3",
      "rows = 64, columns = 128, warp_rows = 2, warp_columns = 4, warp_depth = 1, stages = 3",
      "rows = 128, columns = 32, warp_rows = 4, warp_columns = 1, warp_depth = 1, stages = 3",
      "rows = 64, columns = 64, warp_rows = 4, warp_columns = 2, warp_depth = 1, stages = 3, splits = 2",
      "rows = 64, columns = 32, warp_rows = 4, warp_columns = 1, warp_depth = 2, stages = 9",
  };
  for (const char *tile : tiles) {
    GpuCheck check = on({"cuda:sm_90"});
    check.given = {tile};
    check(OfRun{.x = {70, 320}, .y = {320, 72}, .result = {70, 72}}.text());
    check.tolerance = kParts;
    check(OfRun{.x = {70, 160}, .y = {160, 72}, .result = {70, 72}, .element = "f32"}.text());
  }
}

// Four warps together (wgmma), which transpose the right operand themselves: one panel of 64 columns, and several.
TEST(GpuProductsOfRun, OfGroups) {
  const std::string groups = "groups = 1, pipeline = 0, ";
  for (const std::string &flags : {std::string(), kTransposed}) {
    std::vector<int64_t> y = flags.empty() ? std::vector<int64_t>{2, 320, 200} : std::vector<int64_t>{2, 200, 320};
    OfRun product{.x = {2, 140, 320}, .y = y, .result = {2, 140, 200}, .flags = flags};
    GpuCheck check = on({"cuda:sm_90a"});
    check.ways = {groups + "columns = 64", groups + "columns = 128", groups + "columns = 256", groups + "splits = 2"};
    check(product.text());
    product.element = "bf16", check.tolerance = kBf16, check.ways = {groups + "columns = 128"};
    check(product.text());
  }
}

// One matrix for each of a batch, for all, and for some; tiles do not straddle matrices.
TEST(GpuProductsOfRun, OfBatches) {
  on({"cuda:sm_80"})(OfRun{.x = {3, 40, 64}, .y = {3, 64, 48}, .result = {3, 40, 48}}.text());
  on({"cuda:sm_80"})(OfRun{.x = {3, 40, 64}, .y = {48, 64}, .result = {3, 40, 48}, .flags = kTransposed}.text());
  on({"cuda:sm_80"})(OfRun{.x = {3, 2, 40, 64}, .y = {3, 1, 64, 48}, .result = {3, 2, 40, 48}}.text());
  on({"cuda:sm_80"})(OfRun{.x = {3, 2, 40, 64}, .y = {2, 64, 48}, .result = {3, 2, 40, 48}}.text());
  on({"cuda:sm_80"})(OfRun{.x = {40, 64}, .y = {3, 2, 64, 48}, .result = {3, 2, 40, 48}}.text());
  on({"cuda:sm_90a"},
     kParts)(OfRun{.x = {2, 1, 40, 64}, .y = {1, 3, 48, 64}, .result = {2, 3, 40, 48}, .element = "f32", .flags = kTransposed}.text());
}

// Rows that do not begin at 16 bytes are copied in narrower pieces, or by element.
TEST(GpuProductsOfRun, OfOddSizes) {
  for (const char *element : {"f16", "f32"})
    for (int64_t depth : {62, 65, 68})
      for (int64_t columns : {35, 38, 44})
        for (const std::string &flags : {std::string(), kTransposed}) {
          std::vector<int64_t> y = flags.empty() ? std::vector<int64_t>{2, depth, columns} : std::vector<int64_t>{2, columns, depth};
          std::vector<std::string> targets =
              element[1] == '1' ? std::vector<std::string>{"cuda:sm_75", "cuda:sm_80"} : std::vector<std::string>{"cuda:sm_80"};
          on(targets, element[1] == '1' ? 1e-3 : kParts)(
              OfRun{.x = {2, 37, depth}, .y = y, .result = {2, 37, columns}, .element = element, .flags = flags}.text());
        }
}

// Elements that are read one by one while other stages are multiplied.
TEST(GpuProductsOfRun, OfOddDepths) {
  for (const std::string &groups : {std::string("warp_rows = 2, warp_columns = 2, round = 1, groups = 0"),
                                    std::string("warp_rows = 4, warp_columns = 1, round = 2, groups = 1")}) {
    GpuCheck check = on({"cuda:sm_90a"});
    check.given = {"rows = 64, columns = 64, warp_depth = 1, stages = 4, splits = 1, " + groups};
    check(OfRun{.x = {70, 587}, .y = {587, 35}, .result = {70, 35}}.text());
    check(OfRun{.x = {70, 587}, .y = {35, 587}, .result = {70, 35}, .flags = kTransposed}.text());
  }
}

// The left operand's rows are of the depth; transposed by the product, or by a view.
TEST(GpuProductsOfRun, OfTransposedLeft) {
  for (int64_t rows : {72, 37}) {
    on({"cuda:sm_75", "cuda:sm_80"})(OfRun{.x = {2, 96, rows}, .y = {2, 96, 40}, .result = {2, rows, 40}, .flags = "transpose_lhs"}.text());
    on({"cuda:sm_80"},
       kParts)(OfRun{.x = {2, 96, rows}, .y = {2, 96, 40}, .result = {2, rows, 40}, .element = "f32", .flags = "transpose_lhs"}.text());
  }
}

// Heads that lie side by side, as attention has them: views of both.
TEST(GpuProductsOfRun, OfViews) {
  OfRun heads{.x = {2, 3, 40, 64}, .y = {2, 3, 64, 48}, .result = {2, 3, 40, 48}};
  heads.xView = "nn.transpose %x {perm = array<i64: 0, 2, 1, 3>}", heads.xFrom = {2, 40, 3, 64};
  heads.yView = "nn.transpose %y {perm = array<i64: 0, 2, 3, 1>}", heads.yFrom = {2, 48, 3, 64};
  on({"cuda:sm_80", "cuda:sm_90a"})(heads.text());
  heads.yView = "nn.transpose %y {perm = array<i64: 0, 2, 1, 3>}", heads.yFrom = {2, 64, 3, 48};
  on({"cuda:sm_80"})(heads.text());
}

// What is computed on its way in has no memory to copy.
TEST(GpuProductsOfRun, OfPrologues) {
  for (int64_t columns : {48, 45}) {
    OfRun computed{.x = {40, 64}, .y = {64, columns}, .result = {40, columns}};
    computed.xView = "nn.silu %x", computed.yView = "nn.relu %y";
    on({"cuda:sm_80"})(computed.text());
    computed.element = "f32";
    on({"cuda:sm_80"}, kParts)(computed.text());
  }
}

// Rows and batches of any size.
TEST(GpuProductsOfRun, OfFreeSizes) {
  GpuCheck check = on({"cuda:sm_80"});
  check.sizes = {{"n", 3}, {"m", 53}};
  check(R"(
kernel.func private @k(%x: tensor<?x?x64xf16, #nn.dims<[n, m, 64]>>, %y: tensor<?x64x48xf16, #nn.dims<[n, 64, 48]>>) -> tensor<?x?x48xf16, #nn.dims<[n, m, 48]>> {
  %0 = nn.matmul %x, %y : tensor<?x?x64xf16, #nn.dims<[n, m, 64]>>, tensor<?x64x48xf16, #nn.dims<[n, 64, 48]>> -> tensor<?x?x48xf16, #nn.dims<[n, m, 48]>>
  kernel.return %0 : tensor<?x?x48xf16, #nn.dims<[n, m, 48]>>
})");
}

// A sum is added as it is stored, with a bias for each column.
TEST(GpuProductsOfRun, ThatAdd) {
  on({"cuda:sm_80"})(R"(
kernel.func private @k(%x: tensor<2x40x64xf16>, %y: tensor<2x64x48xf16>, %b: tensor<48xf16>, %r: tensor<2x40x48xf16>) -> tensor<2x40x48xf16> {
  %0 = nn.matmul %x, %y bias %b : tensor<2x40x64xf16>, tensor<2x64x48xf16>, tensor<48xf16> -> tensor<2x40x48xf16>
  %1 = nn.add %0, %r : tensor<2x40x48xf16>, tensor<2x40x48xf16> -> tensor<2x40x48xf16>
  kernel.return %1 : tensor<2x40x48xf16>
})");
}

} // namespace
} // namespace tenon::test
