// Sums that become bytes: scaled, added to, quantized and looked up, the same on every target.
#include "test/unit/codegen/Bytes.h"
#include "test/unit/codegen/KernelCheck.h"
#include <cmath>
#include <gtest/gtest.h>

namespace tenon::test {
namespace {

int tableValue(int i) { return (i * 37 + 11) % 256; }

std::string tableText() {
  std::string table;
  for (int i = 0; i < 256; ++i)
    table += (i ? ", " : "") + std::to_string(tableValue(i));
  return "{table = dense<[" + table + "]> : tensor<256xui8>}";
}

int quantized(float x, int zeroPoint, int low) {
  double rounded = std::isnan(x) ? -INFINITY : std::nearbyint(double(x));
  return int(std::clamp(rounded + zeroPoint, double(low), low + 255.0));
}

/// Scales of all sizes, among them such that sums leave i32 or are no numbers.
std::vector<float> scales(int64_t count) {
  std::vector<float> values{1e-3f, -2e-3f, 1e30f, -1e30f, NAN, 0, 3e-4f, 1e5f};
  while (int64_t(values.size()) < count)
    values.push_back(1e-4f * values.size());
  values.resize(count);
  return values;
}

// Two results with zero points of their own, one of them through a table, and a residual; columns that fill registers and others.
TEST(ByteRegisters, EpiloguesOfProducts) {
  constexpr int kRows = 35, kDepth = 64;
  for (int columns : {8, 16, 19, 40}) {
    std::string y = tensor({kRows, columns}, "ui8"), f = tensor({kRows, columns}), sums = tensor({kRows, columns}, "i32"), z = tensor({kRows, columns}, "i8");
    std::string x = tensor({kRows, kDepth}, "ui8"), w = tensor({kDepth, columns}, "i8"), s = tensor({columns});
    std::string text = "kernel.func private @k(%x: " + x + ", %w: " + w + " {kernel.constant}, %s: " + s + ", %r: " + y + ") -> (" + y + ", " + z + ") {\n" +
                       "  %0 = nn.matmul %x, %w : " + x + ", " + w + " -> " + sums + "\n  %1 = nn.cast %0 {to = f32} : " + sums + " -> " + f + "\n" +
                       "  %2 = nn.mul %1, %s : " + f + ", " + s + " -> " + f + "\n  %3 = nn.cast %r {to = f32} : " + y + " -> " + f + "\n  %4 = nn.add %2, %3 : " + f + ", " + f + " -> " + f + "\n" +
                       "  %5 = nn.quantize %4 {zero_point = 7 : i64, to = ui8} : " + f + " -> " + y + "\n  %6 = nn.lookup %5 " + tableText() + " : " + y + " -> " + y + "\n" +
                       "  %7 = nn.quantize %4 {zero_point = -3 : i64, to = i8} : " + f + " -> " + z + "\n  kernel.return %6, %7 : " + y + ", " + z + "\n}\n";
    std::vector<uint8_t> left = bytes<uint8_t>(kRows * kDepth, 1), residual = bytes<uint8_t>(kRows * columns, 2), looked;
    std::vector<int8_t> right = bytes<int8_t>(kDepth * columns, 3), plain;
    std::vector<float> scale = scales(columns);
    for (int i = 0; i < kRows; ++i)
      for (int j = 0; j < columns; ++j) {
        int32_t sum = 0;
        for (int k = 0; k < kDepth; ++k)
          sum += left[i * kDepth + k] * right[k * columns + j];
        volatile float scaled = float(sum) * scale[j]; // rounded by itself
        float value = scaled + float(residual[i * columns + j]);
        looked.push_back(uint8_t(tableValue(quantized(value, 7, 0))));
        plain.push_back(int8_t(quantized(value, -3, -128)));
      }
    for (const std::string &target : dotTargets()) {
      KernelHarness kernel(text, target);
      ASSERT_TRUE(kernel.func()) << kernel.message;
      ASSERT_TRUE(kernel.compile()) << kernel.message;
      EXPECT_EQ(kernel.func().getSchedule()->getFamily().getValue(), "contraction");
      std::vector<uint8_t> first(looked.size(), 77);
      std::vector<int8_t> second(plain.size(), 77);
      kernel.run({left.data(), right.data(), scale.data(), residual.data(), first.data(), second.data()});
      EXPECT_EQ(first, looked) << target << ", " << columns << " columns";
      EXPECT_EQ(second, plain) << target << ", " << columns << " columns";
    }
  }
}

// A sum that is quantized, and as a number of its steps added to another: bytes with and without a sign, and a zero point of 0.
TEST(ByteRegisters, QuantizedOnTheWay) {
  constexpr int kRows = 30, kDepth = 32, kColumns = 24;
  for (auto [zeroPoint, element] : {std::pair(132, "ui8"), {-5, "i8"}, {0, "ui8"}, {0, "i8"}}) {
    std::string y = tensor({kRows, kColumns}, "ui8"), q = tensor({kRows, kColumns}, element), f = tensor({kRows, kColumns}), sums = tensor({kRows, kColumns}, "i32");
    std::string x = tensor({kRows, kDepth}, "ui8"), w = tensor({kDepth, kColumns}, "i8"), s = tensor({kColumns}), zero = std::to_string(zeroPoint);
    std::string text = "kernel.func private @k(%x: " + x + ", %w: " + w + " {kernel.constant}, %s: " + s + ", %r: " + y + ") -> " + y + " {\n  %z = nn.constant dense<" + zero +
                       ".0> : tensor<f32>\n  %t = nn.constant dense<0.75> : tensor<f32>\n  %0 = nn.matmul %x, %w : " + x + ", " + w + " -> " + sums + "\n  %1 = nn.cast %0 {to = f32} : " + sums + " -> " +
                       f + "\n  %2 = nn.mul %1, %s : " + f + ", " + s + " -> " + f + "\n  %3 = nn.quantize %2 {zero_point = " + zero + " : i64, to = " + element + "} : " + f + " -> " + q +
                       "\n  %4 = nn.cast %3 {to = f32} : " + q + " -> " + f + "\n" + (zeroPoint ? "  %5 = nn.sub %4, %z : " + f + ", tensor<f32> -> " + f + "\n" : "") + "  %6 = nn.mul " +
                       (zeroPoint ? "%5" : "%4") + ", %t : " + f + ", tensor<f32> -> " + f + "\n  %7 = nn.cast %r {to = f32} : " + y + " -> " + f + "\n  %8 = nn.add %6, %7 : " + f + ", " + f + " -> " +
                       f + "\n  %9 = nn.quantize %8 {zero_point = 3 : i64, to = ui8} : " + f + " -> " + y + "\n  kernel.return %9 : " + y + "\n}\n";
    std::vector<uint8_t> left = bytes<uint8_t>(kRows * kDepth, 1), residual = bytes<uint8_t>(kRows * kColumns, 2), expected;
    std::vector<int8_t> right = bytes<int8_t>(kDepth * kColumns, 3);
    std::vector<float> scale = scales(kColumns);
    for (int i = 0; i < kRows; ++i)
      for (int j = 0; j < kColumns; ++j) {
        int32_t sum = 0;
        for (int k = 0; k < kDepth; ++k)
          sum += left[i * kDepth + k] * right[k * kColumns + j];
        float steps = float(quantized(float(sum) * scale[j], zeroPoint, element[0] == 'u' ? 0 : -128) - zeroPoint);
        expected.push_back(uint8_t(quantized(steps * 0.75f + float(residual[i * kColumns + j]), 3, 0))); // exact: quarters
      }
    for (const std::string &target : dotTargets()) {
      KernelHarness kernel(text, target);
      ASSERT_TRUE(kernel.func()) << kernel.message;
      ASSERT_TRUE(kernel.compile()) << kernel.message;
      std::vector<uint8_t> result(expected.size());
      kernel.run({left.data(), right.data(), scale.data(), residual.data(), result.data()});
      EXPECT_EQ(result, expected) << target << ", zero point " << zeroPoint << " of " << element;
    }
  }
}

// Every index, in every place of a register.
TEST(ByteRegisters, TablesHoldEveryByte) {
  constexpr int kRows = 256, kColumns = 16;
  std::string y = tensor({kRows, kColumns}, "ui8"), f = tensor({kRows, kColumns}), sums = tensor({kRows, kColumns}, "i32"), x = tensor({kRows, 4}, "ui8"), w = tensor({4, kColumns}, "i8");
  std::string text = "kernel.func private @k(%x: " + x + ", %w: " + w + " {kernel.constant}) -> " + y + " {\n  %0 = nn.matmul %x, %w : " + x + ", " + w + " -> " + sums +
                     "\n  %1 = nn.cast %0 {to = f32} : " + sums + " -> " + f + "\n  %2 = nn.quantize %1 {zero_point = 0 : i64, to = ui8} : " + f + " -> " + y +
                     "\n  %3 = nn.lookup %2 " + tableText() + " : " + y + " -> " + y + "\n  kernel.return %3 : " + y + "\n}\n";
  std::vector<uint8_t> left(kRows * 4), expected;
  std::vector<int8_t> right(4 * kColumns);
  std::fill_n(right.begin(), kColumns, 1);
  for (int i = 0; i < kRows; ++i) {
    left[i * 4] = uint8_t(i);
    expected.insert(expected.end(), kColumns, uint8_t(tableValue(i)));
  }
  for (const std::string &target : dotTargets()) {
    KernelHarness kernel(text, target);
    ASSERT_TRUE(kernel.compile()) << kernel.message;
    std::vector<uint8_t> result(expected.size());
    kernel.run({left.data(), right.data(), result.data()});
    EXPECT_EQ(result, expected) << target;
  }
}

// A filter for each channel: pixels of one step become bytes together; steps of every size and a border.
TEST(ByteRegisters, DepthwiseFilters) {
  for (int channels : {8, 24, 40, 13}) {
    std::string c = std::to_string(channels), x = tensor({1, 7, 11, channels}, "ui8"), f = tensor({1, 7, 11, channels}), w = tensor({channels, 1, 3, 3}), s = tensor({channels});
    std::string text = "kernel.func private @k(%x: " + x + ", %w: " + w + " {kernel.constant}, %s: " + s + ") -> " + x + " {\n  %z = nn.constant dense<100.0> : tensor<f32>\n" +
                       "  %0 = nn.cast %x {to = f32} : " + x + " -> " + f + "\n  %1 = nn.sub %0, %z : " + f + ", tensor<f32> -> " + f + "\n" +
                       "  %2 = nn.conv %1, %w {strides = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>, dilations = array<i64: 1, 1>, groups = " + c +
                       " : i64, layout = #nn.layout<channels_last>} : " + f + ", " + w + " -> " + f + "\n  %3 = nn.mul %2, %s : " + f + ", " + s + " -> " + f + "\n" +
                       "  %4 = nn.quantize %3 {zero_point = 128 : i64, to = ui8} : " + f + " -> " + x + "\n  kernel.return %4 : " + x + "\n}\n";
    std::vector<uint8_t> image = bytes<uint8_t>(7 * 11 * channels, 7), expected;
    std::vector<float> filter, scale = scales(channels);
    for (int8_t weight : bytes<int8_t>(channels * 9, 8))
      filter.push_back(weight);
    for (int i = 0; i < 7; ++i)
      for (int j = 0; j < 11; ++j)
        for (int k = 0; k < channels; ++k) {
          float sum = 0;
          for (int tap = 0; tap < 9; ++tap)
            if (int row = i + tap / 3 - 1, column = j + tap % 3 - 1; row >= 0 && row < 7 && column >= 0 && column < 11)
              sum += (float(image[(row * 11 + column) * channels + k]) - 100) * filter[k * 9 + tap];
          expected.push_back(uint8_t(quantized(sum * scale[k], 128, 0)));
        }
    for (const std::string &target : dotTargets()) {
      KernelHarness kernel(text, target);
      ASSERT_TRUE(kernel.func()) << kernel.message;
      ASSERT_TRUE(kernel.compile()) << kernel.message;
      EXPECT_EQ(kernel.func().getSchedule()->getFamily().getValue(), "depthwise");
      std::vector<uint8_t> result(expected.size());
      kernel.run({image.data(), filter.data(), scale.data(), result.data()});
      EXPECT_EQ(result, expected) << target << ", " << channels << " channels";
    }
  }
}

// Maxima, of as many channels at once as a register has bytes, half of them, or fewer.
TEST(ByteRegisters, MaximaOverWindows) {
  for (int channels : {128, 32, 16, 13}) {
    std::string x = tensor({1, 9, 10, channels}, "ui8");
    std::string text = "kernel.func private @k(%x: " + x + ") -> " + x + " {\n  %0 = nn.pool %x {kind = #nn.pool_kind<max>, window = array<i64: 5, 5>, strides = array<i64: 1, 1>, pads = " +
                       "array<i64: 2, 2, 2, 2>, dilations = array<i64: 1, 1>, layout = #nn.layout<channels_last>} : " + x + " -> " + x + "\n  kernel.return %0 : " + x + "\n}\n";
    std::vector<uint8_t> image = bytes<uint8_t>(9 * 10 * channels, 9), expected;
    for (uint8_t &value : image)
      value = value == 255 ? 200 : value; // not everywhere the same
    for (int i = 0; i < 9; ++i)
      for (int j = 0; j < 10; ++j)
        for (int k = 0; k < channels; ++k) {
          uint8_t most = 0;
          for (int r = std::max(i - 2, 0); r <= std::min(i + 2, 8); ++r)
            for (int s = std::max(j - 2, 0); s <= std::min(j + 2, 9); ++s)
              most = std::max(most, image[(r * 10 + s) * channels + k]);
          expected.push_back(most);
        }
    for (const std::string &target : dotTargets()) {
      KernelHarness kernel(text, target);
      ASSERT_TRUE(kernel.func()) << kernel.message;
      ASSERT_TRUE(kernel.compile()) << kernel.message;
      std::vector<uint8_t> result(expected.size());
      kernel.run({image.data(), result.data()});
      EXPECT_EQ(result, expected) << target << ", " << channels << " channels";
    }
  }
}

// Kernels without sums: a residual of bytes with scales of its own, through a table; sizes that fill registers and others.
TEST(ByteRegisters, ElementwiseKernels) {
  for (int count : {64, 48, 24, 41}) {
    std::string x = tensor({3, count}, "ui8"), f = tensor({3, count});
    std::string text = "kernel.func private @k(%a: " + x + ", %b: " + x + ") -> " + x + " {\n  %s = nn.constant dense<0.75> : tensor<f32>\n  %t = nn.constant dense<1.25> : tensor<f32>\n" +
                       "  %0 = nn.cast %a {to = f32} : " + x + " -> " + f + "\n  %1 = nn.mul %0, %s : " + f + ", tensor<f32> -> " + f + "\n  %2 = nn.cast %b {to = f32} : " + x + " -> " + f +
                       "\n  %3 = nn.mul %2, %t : " + f + ", tensor<f32> -> " + f + "\n  %4 = nn.add %1, %3 : " + f + ", " + f + " -> " + f +
                       "\n  %5 = nn.quantize %4 {zero_point = 0 : i64, to = ui8} : " + f + " -> " + x + "\n  %6 = nn.lookup %5 " + tableText() + " : " + x + " -> " + x +
                       "\n  kernel.return %6 : " + x + "\n}\n";
    std::vector<uint8_t> left = bytes<uint8_t>(3 * count, 4), right = bytes<uint8_t>(3 * count, 5), expected;
    for (size_t i = 0; i < left.size(); ++i)
      expected.push_back(uint8_t(tableValue(quantized(left[i] * 0.75f + right[i] * 1.25f, 0, 0)))); // exact: quarters
    for (const std::string &target : dotTargets()) {
      KernelHarness kernel(text, target);
      ASSERT_TRUE(kernel.func()) << kernel.message;
      ASSERT_TRUE(kernel.compile()) << kernel.message;
      std::vector<uint8_t> result(expected.size());
      kernel.run({left.data(), right.data(), result.data()});
      EXPECT_EQ(result, expected) << target << ", rows of " << count;
    }
  }
}

// Rows of bytes side by side, of every length.
TEST(ByteRegisters, ConcatenatedRows) {
  for (std::vector<int> widths : {std::vector<int>{16, 16, 32}, {5, 70, 1}, {128, 64}, {3, 4}}) {
    constexpr int kRows = 6;
    int total = 0, seed = 1;
    std::string arguments, names, types;
    std::vector<std::vector<uint8_t>> inputs;
    for (int width : widths) {
      std::string name = "%a" + std::to_string(total), type = tensor({2, 3, width}, "ui8"), comma = total ? ", " : "";
      arguments += comma + name + ": " + type, names += comma + name, types += comma + type;
      inputs.push_back(bytes<uint8_t>(kRows * width, seed++));
      total += width;
    }
    std::string y = tensor({2, 3, total}, "ui8");
    std::string text = "kernel.func private @k(" + arguments + ") -> " + y + " {\n  %0 = nn.concat " + names + " {axis = 2 : i64} : " + types + " -> " + y + "\n  kernel.return %0 : " + y + "\n}\n";
    std::vector<uint8_t> expected;
    for (int row = 0; row < kRows; ++row)
      for (size_t i = 0; i < widths.size(); ++i)
        expected.insert(expected.end(), inputs[i].begin() + row * widths[i], inputs[i].begin() + (row + 1) * widths[i]);
    for (const std::string &target : dotTargets()) {
      KernelHarness kernel(text, target);
      ASSERT_TRUE(kernel.func()) << kernel.message;
      ASSERT_TRUE(kernel.compile()) << kernel.message;
      std::vector<uint8_t> result(expected.size());
      KernelHarness::Buffers buffers;
      for (std::vector<uint8_t> &input : inputs)
        buffers.push_back(input.data());
      buffers.push_back(result.data());
      kernel.run(buffers);
      EXPECT_EQ(result, expected) << target;
    }
  }
}

} // namespace
} // namespace tenon::test
