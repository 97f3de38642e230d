// Scatters on blocks that have rows of the result: many updates of the same elements, in the CPU's order.
#include "test/unit/codegen/gpu/GpuCheck.h"

namespace tenon::test {
namespace {

std::string scatter(const std::string &op, llvm::ArrayRef<int64_t> data, llvm::ArrayRef<int64_t> indices, llvm::ArrayRef<int64_t> updates,
                    const std::string &attributes, const std::string &element = "f32") {
  std::string x = tensor(data, element), i = tensor(indices, "i64"), u = tensor(updates, element);
  return "kernel.func private @k(%x: " + x + ", %i: " + i + ", %u: " + u + ") -> " + x + " {\n%0 = nn." + op + " %x, %i, %u {" + attributes +
         "} : (" + x + ", " + i + ", " + u + ") -> " + x + "\nkernel.return %0 : " + x + " }";
}

// Indices are 0 to 4: every element is updated many times, and what comes last stays. Sums are equal to the last bit.
TEST(GpuScatter, Rows) {
  GpuCheck check{.family = "gpu.scatter", .targets = {"cuda:sm_75", "cuda:sm_90"}, .tolerance = 0, .onCpu = true};
  for (const char *reduction : {"", "reduction = #nn.reduce_kind<sum>", "reduction = #nn.reduce_kind<max>", "reduction = #nn.reduce_kind<prod>"}) {
    check(scatter("scatter_nd", {300, 64}, {100, 1}, {100, 64}, reduction));
    check(scatter("scatter_nd", {7, 6, 33}, {60, 2}, {60, 33}, reduction, "f16"));
  }
  check(scatter("scatter_nd", {6, 3000}, {5, 1}, {5, 3000}, ""));           // rows of more than a block takes at once
  check(scatter("scatter_nd", {5, 9, 2000}, {3, 1}, {3, 9, 2000}, ""));     // slices of several rows
  check(scatter("scatter_nd", {5000}, {700, 1}, {700}, "", "i64"));         // of one element
  check(scatter("scatter_nd", {5, 40, 64}, {3, 2, 1}, {3, 2, 40, 64}, "")); // of several axes
}

TEST(GpuScatter, Elements) {
  GpuCheck check{.family = "gpu.scatter", .targets = {"cuda:sm_75", "cuda:sm_90"}, .tolerance = 0, .onCpu = true};
  for (const char *reduction : {"", ", reduction = #nn.reduce_kind<sum>", ", reduction = #nn.reduce_kind<min>"})
    for (const char *element : {"f32", "bf16", "i32"}) {
      check(scatter("scatter_elements", {40, 20}, {90, 20}, {90, 20}, "axis = 0 : i64" + std::string(reduction), element));
      check(scatter("scatter_elements", {6, 7}, {6, 5}, {6, 5}, "axis = 1 : i64" + std::string(reduction), element));
    }
  check(scatter("scatter_elements", {3, 5, 9}, {2, 4, 9}, {2, 4, 9}, "axis = 1 : i64", "i8"));
}

// The result lies where the input does, of which nothing is copied; a second run finds what the first one has made of it, which changes nothing.
TEST(GpuScatter, InPlace) {
  KernelCheck check;
  check.target = "cuda:sm_90", check.tolerance = 0, check.inPlace = true, check.onCpu = true;
  EXPECT_EQ(check(scatter("scatter_nd", {300, 64}, {100, 1}, {100, 64}, "")), "");
}

TEST(GpuScatter, FreeSizes) {
  GpuCheck{.family = "gpu.scatter", .tolerance = 0, .onCpu = true, .sizes = {{"n", 17}, {"m", 50}, {"c", 12}}}(R"(
kernel.func private @k(%x: tensor<?x?xf32, #nn.dims<[n, c]>>, %i: tensor<?x1xi64, #nn.dims<[m, 1]>>, %u: tensor<?x?xf32, #nn.dims<[m, c]>>) -> tensor<?x?xf32, #nn.dims<[n, c]>> {
  %0 = nn.scatter_nd %x, %i, %u : (tensor<?x?xf32, #nn.dims<[n, c]>>, tensor<?x1xi64, #nn.dims<[m, 1]>>, tensor<?x?xf32, #nn.dims<[m, c]>>) -> tensor<?x?xf32, #nn.dims<[n, c]>>
  kernel.return %0 : tensor<?x?xf32, #nn.dims<[n, c]>>
})");
}

} // namespace
} // namespace tenon::test
