// Products of bytes whose weights are split where 16 bits would saturate: exact with weights at the ends of the range, with none to split, and with a few.
#include "passes/6_codegen/cpu/DotSplit.h"
#include "test/unit/codegen/Bytes.h"
#include "test/unit/codegen/KernelCheck.h"
#include <gtest/gtest.h>

namespace tenon::test {
namespace {

struct Product {
  int rows, depth, columns;

  std::string text(bool isMarked, bool isConvolution) const {
    std::string mark = isMarked ? ", kernel.split_share = 25 : i64" : "", sums = tensor({columns}, "i32");
    std::string x = isConvolution ? tensor({1, rows, 1, depth}, "ui8") : tensor({rows, depth}, "ui8"), y = isConvolution ? tensor({1, rows, 1, columns}, "i32") : tensor({rows, columns}, "i32");
    std::string w = isConvolution ? tensor({columns, depth, 1, 1}, "i8") : tensor({depth, columns}, "i8");
    std::string op = isConvolution ? "nn.conv %x, %w bias %b {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, layout = #nn.layout<channels_last>}"
                                   : "nn.matmul %x, %w bias %b";
    return "kernel.func private @k(%x: " + x + ", %w: " + w + " {kernel.constant" + mark + "}, %b: " + sums + ") -> " + y + " {\n  %0 = " + op + " : " + x + ", " + w + ", " + sums + " -> " + y +
           "\n  kernel.return %0 : " + y + "\n}\n";
  }

  /// `weights` are [k][column]; a convolution's are [column][k].
  void check(const std::vector<int8_t> &weights, bool isMarked, bool isConvolution, const std::string &schedule = "") const {
    std::string source = text(isMarked, isConvolution);
    SCOPED_TRACE(source + schedule);
    KernelHarness kernel(source, "x86-64-v3");
    ASSERT_TRUE(kernel.func()) << kernel.message;
    ASSERT_TRUE(kernel.compile(schedule)) << kernel.message;
    bool isSplit = kernel.func().getSchedule()->get("a", llvm::StringRef("in_place")) == "in_place"; // pairs are copies
    EXPECT_EQ(isSplit, isMarked && rows >= 24);
    std::vector<uint8_t> x = bytes<uint8_t>(rows * depth, 3);
    std::vector<int8_t> w = weights;
    std::vector<int32_t> bias(columns), y(rows * columns, 77), expected;
    for (int j = 0; j < columns; ++j)
      bias[j] = 1000 * j - 7;
    for (int j = 0; isConvolution && j < columns; ++j)
      for (int k = 0; k < depth; ++k)
        w[j * depth + k] = weights[k * columns + j];
    for (int i = 0; i < rows; ++i)
      for (int j = 0; j < columns; ++j) {
        int32_t sum = bias[j];
        for (int k = 0; k < depth; ++k)
          sum += x[i * depth + k] * weights[k * columns + j];
        expected.push_back(sum);
      }
    kernel.run({x.data(), w.data(), bias.data(), y.data()});
    EXPECT_EQ(y, expected);
  }
};

bool runsHere() { return llvm::is_contained(dotTargets(), "x86-64-v3"); }

std::vector<int8_t> filled(int count, int8_t value) { return std::vector<int8_t>(count, value); }

TEST(DotSplit, IsExactForAllWeights) {
  if (!runsHere())
    GTEST_SKIP() << "this machine has no AVX2";
  for (Product p : {Product{49, 64, 48}, {30, 4, 8}, {25, 132, 19}, {196, 36, 40}, {24, 1024, 16}}) {
    int count = p.depth * p.columns;
    std::vector<int8_t> few = bytes<int8_t>(count, 5);
    for (int i = 0; i < count; ++i)
      few[i] = i % 97 ? few[i] / 4 : few[i];
    for (bool isConvolution : {false, true})
      for (const std::vector<int8_t> &weights : {bytes<int8_t>(count, 4), few, filled(count, 127), filled(count, -128), filled(count, 64), filled(count, -64), filled(count, 65)})
        p.check(weights, true, isConvolution);
  }
}

TEST(DotSplit, OtherSchedulesAgree) {
  if (!runsHere())
    GTEST_SKIP() << "this machine has no AVX2";
  Product p{60, 72, 40};
  for (const std::string &schedule : schedulesOf(p.text(true, true), 8, "x86-64-v3"))
    p.check(bytes<int8_t>(72 * 40, 6), true, true, schedule);
}

// Few rows, and weights of which nothing is known, are multiplied in pairs.
TEST(DotSplit, OnlyWhereItPays) {
  if (!runsHere())
    GTEST_SKIP() << "this machine has no AVX2";
  Product{49, 64, 48}.check(bytes<int8_t>(64 * 48, 7), false, true);
  Product{12, 64, 48}.check(bytes<int8_t>(64 * 48, 7), true, true);
  for (const char *name : {"haswell", "znver2", "x86-64", "x86-64-v4", "sapphirerapids", "alderlake"})
    EXPECT_FALSE(cpu::splitsFours(llvm::cantFail(Target::parse(name)))) << name;
  for (const char *name : {"x86-64-v3", "skylake", "znver3"})
    EXPECT_TRUE(cpu::splitsFours(llvm::cantFail(Target::parse(name)))) << name;
}

} // namespace
} // namespace tenon::test
