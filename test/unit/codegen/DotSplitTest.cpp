// Products of bytes that are added up in 16 bits as far as the largest activations allow, whose weights are split where not even two would fit: exact with
// weights and activations at the ends of the range, at the ends of 16 bits, with none to split, and with a few.
#include "passes/6_codegen/cpu/DotSplit.h"
#include "test/unit/codegen/Bytes.h"
#include "test/unit/codegen/KernelCheck.h"
#include <cmath>
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
  void check(const std::vector<int8_t> &weights, bool isMarked, bool isConvolution, const std::string &schedule = "", const std::vector<uint8_t> &activations = {}) const {
    std::string source = text(isMarked, isConvolution);
    SCOPED_TRACE(source + schedule);
    KernelHarness kernel(source, "x86-64-v3");
    ASSERT_TRUE(kernel.func()) << kernel.message;
    ASSERT_TRUE(kernel.compile(schedule)) << kernel.message;
    bool isSplit = kernel.func().getSchedule()->get("a", llvm::StringRef("in_place")) == "in_place"; // pairs are copies
    EXPECT_EQ(isSplit, isMarked && rows >= 24);
    std::vector<uint8_t> x = activations.empty() ? bytes<uint8_t>(rows * depth, 3) : activations;
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
  for (Product p : {Product{49, 64, 48}, {30, 4, 8}, {25, 132, 19}, {196, 44, 40}, {24, 1024, 16}}) {
    int count = p.depth * p.columns;
    std::vector<int8_t> few = bytes<int8_t>(count, 5);
    for (int i = 0; i < count; ++i)
      few[i] = i % 97 ? few[i] / 4 : few[i];
    for (bool isConvolution : {false, true})
      for (const std::vector<int8_t> &weights : {bytes<int8_t>(count, 4), few, filled(count, 127), filled(count, -128), filled(count, 64), filled(count, -64), filled(count, 65)})
        p.check(weights, true, isConvolution);
  }
}

// Groups of four, of two and single vectors, as activations differ from k to k.
TEST(DotSplit, IsExactForAllActivations) {
  if (!runsHere())
    GTEST_SKIP() << "this machine has no AVX2";
  for (Product p : {Product{49, 64, 48}, {31, 148, 24}, {196, 72, 16}}) {
    std::vector<uint8_t> x = bytes<uint8_t>(p.rows * p.depth, 8);
    constexpr std::array<int, 7> kLargest = {255, 0, 40, 1, 90, 160, 20};
    for (size_t i = 0; i < x.size(); ++i)
      x[i] = x[i] * kLargest[i % p.depth / 8 % kLargest.size()] / 255;
    p.check(bytes<int8_t>(p.depth * p.columns, 9), true, true, "", x);
    std::vector<int8_t> small = bytes<int8_t>(p.depth * p.columns, 10);
    for (int8_t &w : small)
      w /= 8;
    p.check(small, true, false, "", x);
  }
}

// Sums of eight, four and two products just below, at and beyond the ends of 16 bits.
TEST(DotSplit, IsExactAtTheEndsOf16Bits) {
  if (!runsHere())
    GTEST_SKIP() << "this machine has no AVX2";
  Product p{27, 36, 8};
  for (auto [activation, weight] : {std::pair(63, 65), {64, 64}, {65, 64}, {64, -64}, {65, -64}, {127, 64}, {128, 64}, {128, -64}, {129, -64}, {255, 64}, {128, 127}, {129, 127}, {128, -128}, {129, -128}})
    p.check(filled(p.depth * p.columns, int8_t(weight)), true, true, "", std::vector<uint8_t>(p.rows * p.depth, uint8_t(activation)));
}

/// Of two images, with a square filter.
struct Convolution {
  int size, depth, columns, taps, stride, pad;

  int outputs() const { return (size + 2 * pad - taps) / stride + 1; }
  std::string text() const {
    std::string x = tensor({2, size, size, depth}, "ui8"), w = tensor({columns, depth, taps, taps}, "i8"), y = tensor({2, outputs(), outputs(), columns}, "i32");
    auto all = [](int value, int count) {
      std::string list = std::to_string(value);
      for (int i = 1; i < count; ++i)
        list += ", " + std::to_string(value);
      return list;
    };
    return "kernel.func private @k(%x: " + x + ", %w: " + w + " {kernel.constant, kernel.split_share = 20 : i64}) -> " + y + " {\n  %0 = nn.conv %x, %w {strides = array<i64: " + all(stride, 2) +
           ">, pads = array<i64: " + all(pad, 4) + ">, dilations = array<i64: 1, 1>, layout = #nn.layout<channels_last>} : " + x + ", " + w + " -> " + y + "\n  kernel.return %0 : " + y + "\n}\n";
  }

  int32_t sumAt(const std::vector<uint8_t> &x, const std::vector<int8_t> &w, int image, int row, int column, int n) const {
    int32_t sum = 0;
    for (int tap = 0; tap < taps * taps; ++tap) {
      int y = row * stride + tap / taps - pad, z = column * stride + tap % taps - pad;
      for (int k = 0; k < depth && y >= 0 && y < size && z >= 0 && z < size; ++k)
        sum += x[((image * size + y) * size + z) * depth + k] * w[(n * depth + k) * taps * taps + tap];
    }
    return sum;
  }
};

// Pixels that lie apart; filters of several taps, whose pixels lie in a padded copy or, without padding, where they are.
TEST(DotSplit, Convolutions) {
  if (!runsHere())
    GTEST_SKIP() << "this machine has no AVX2";
  for (Convolution c : {Convolution{13, 48, 24, 1, 2, 0}, {9, 16, 20, 3, 1, 1}, {14, 32, 16, 3, 2, 1}, {10, 48, 8, 3, 1, 0}, {11, 16, 9, 5, 2, 2}}) {
    std::vector<uint8_t> x = bytes<uint8_t>(2 * c.size * c.size * c.depth, 11);
    for (size_t i = 0; i < x.size(); ++i)
      x[i] = x[i] >> (i % c.depth % 5);
    std::vector<int8_t> w = bytes<int8_t>(c.columns * c.depth * c.taps * c.taps, 12);
    std::vector<int32_t> expected;
    for (int row = 0; row < 2 * c.outputs() * c.outputs(); ++row)
      for (int n = 0; n < c.columns; ++n)
        expected.push_back(c.sumAt(x, w, row / (c.outputs() * c.outputs()), row / c.outputs() % c.outputs(), row % c.outputs(), n));
    for (const std::string &schedule : schedulesOf(c.text(), 4, "x86-64-v3")) {
      SCOPED_TRACE(schedule + c.text());
      EXPECT_NE(schedule.find("nv = 1"), std::string::npos); // pairs take several
      KernelHarness kernel(c.text(), "x86-64-v3");
      ASSERT_TRUE(kernel.compile(schedule)) << kernel.message;
      std::vector<int32_t> result(expected.size(), 77);
      kernel.run({x.data(), w.data(), result.data()});
      EXPECT_EQ(result, expected);
    }
  }
}

TEST(DotSplit, OtherSchedulesAgree) {
  if (!runsHere())
    GTEST_SKIP() << "this machine has no AVX2";
  Product p{60, 72, 40};
  for (const std::string &schedule : schedulesOf(p.text(true, true), 8, "x86-64-v3"))
    p.check(bytes<int8_t>(72 * 40, 6), true, true, schedule);
}

// Several panels whose sums become bytes together, with what is added to them; 50 rows are tiles of eight and seven.
TEST(DotSplit, PanelsAreFinishedTogether) {
  if (!runsHere())
    GTEST_SKIP() << "this machine has no AVX2";
  constexpr int kRows = 50, kDepth = 68;
  constexpr float kScale = 0.0137f;
  for (auto [columns, counts] : {std::pair<int, std::vector<int>>{96, {1, 2, 3, 4}}, {40, {1, 5}}}) {
    std::string x = tensor({kRows, kDepth}, "ui8"), w = tensor({kDepth, columns}, "i8"), sums = tensor({kRows, columns}, "i32"), numbers = tensor({kRows, columns}, "f32"), y = tensor({kRows, columns}, "ui8");
    std::string text = "kernel.func private @k(%x: " + x + ", %w: " + w + " {kernel.constant, kernel.split_share = 25 : i64}, %r: " + y + ") -> " + y + " {\n  %0 = nn.constant dense<0.0137> : tensor<f32>\n  %1 = nn.matmul %x, %w : " + x +
                       ", " + w + " -> " + sums + "\n  %2 = nn.cast %1 {to = f32} : " + sums + " -> " + numbers + "\n  %3 = nn.mul %2, %0 : " + numbers + ", tensor<f32> -> " + numbers + "\n  %4 = nn.cast %r {to = f32} : " + y + " -> " + numbers +
                       "\n  %5 = nn.add %3, %4 : " + numbers + ", " + numbers + " -> " + numbers + "\n  %6 = nn.quantize %5 {to = ui8, zero_point = 3 : i64} : " + numbers + " -> " + y + "\n  kernel.return %6 : " + y + "\n}\n";
    std::vector<uint8_t> activations = bytes<uint8_t>(kRows * kDepth, 3), added = bytes<uint8_t>(kRows * columns, 4), expected;
    std::vector<int8_t> weights = bytes<int8_t>(kDepth * columns, 5);
    for (size_t i = 0; i < weights.size(); ++i)
      weights[i] = i % 61 ? weights[i] / 8 : weights[i];
    for (int i = 0; i < kRows; ++i)
      for (int j = 0; j < columns; ++j) {
        int32_t sum = 0;
        for (int k = 0; k < kDepth; ++k)
          sum += activations[i * kDepth + k] * weights[k * columns + j];
        float number = float(sum) * kScale;
        number += float(added[i * columns + j]);
        expected.push_back(uint8_t(std::clamp(std::nearbyint(number) + 3, 0.0f, 255.0f)));
      }
    for (int panels : counts)
      for (int shares : {1, 2}) {
        std::string schedule = "#kernel.schedule<\"contraction\", {a = \"in_place\", ku = 4 : i64, mr = 8 : i64, mt = 3 : i64, np = " + std::to_string(panels) +
                               " : i64, nv = 1 : i64, order = \"ji\", pf = 1 : i64, tm = 2 : i64, tn = " + std::to_string(shares) + " : i64}>";
        SCOPED_TRACE(schedule + text);
        KernelHarness kernel(text, "x86-64-v3");
        ASSERT_TRUE(kernel.compile(schedule)) << kernel.message;
        std::vector<uint8_t> result(expected.size(), 77);
        kernel.run({activations.data(), weights.data(), added.data(), result.data()});
        EXPECT_EQ(result, expected);
      }
    KernelHarness kernel(text, "x86-64-v3");
    EXPECT_FALSE(kernel.compile("#kernel.schedule<\"contraction\", {a = \"in_place\", mr = 8 : i64, np = 7 : i64, nv = 1 : i64}>"));
    EXPECT_NE(kernel.message.find("np divides the number of panels"), std::string::npos) << kernel.message;
  }
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
