// Products and convolutions of bytes: exact, and the same on every target, at the ends of the range as well.
#include "test/unit/codegen/Bytes.h"
#include "test/unit/codegen/KernelCheck.h"
#include "llvm/Support/FormatVariadic.h"
#include <gtest/gtest.h>

namespace tenon::test {
namespace {

struct BytesConvolution {
  int64_t height, width, channels, outputs, filter, stride = 1, pad = 0;
  int zeroPoint = 0; // what padding reads

  int64_t rows() const { return (height + 2 * pad - filter) / stride + 1; }
  int64_t columns() const { return (width + 2 * pad - filter) / stride + 1; }

  std::string text() const {
    std::string x = tensor({1, height, width, channels}, "ui8"), w = tensor({outputs, channels, filter, filter}, "i8"), b = tensor({outputs}, "i32");
    std::string y = tensor({1, rows(), columns(), outputs}, "i32"), source = "%x", read = x, convPads = "array<i64: {0}, {0}, {0}, {0}>";
    std::string head;
    if (zeroPoint) {
      read = tensor({1, height + 2 * pad, width + 2 * pad, channels}, "ui8");
      head = "  %z = nn.constant dense<" + std::to_string(zeroPoint) + "> : tensor<ui8>\n" +
             llvm::formatv("  %p = nn.pad %x value %z {{low = #nn.dims<[0, {0}, {0}, 0]>, high = #nn.dims<[0, {0}, {0}, 0]>} : {1}, tensor<ui8> -> {2}\n", pad, x, read).str();
      source = "%p";
    }
    std::string pads = llvm::formatv(convPads.c_str(), zeroPoint ? 0 : pad).str();
    std::string steps = llvm::formatv("array<i64: {0}, {0}>", stride).str();
    return "kernel.func private @k(%x: " + x + ", %w: " + w + " {kernel.constant}, %b: " + b + ") -> " + y + " {\n" + head + "  %0 = nn.conv " + source +
           ", %w bias %b {strides = " + steps + ", pads = " + pads + ", dilations = array<i64: 1, 1>, layout = #nn.layout<channels_last>} : " + read + ", " + w + ", " + b +
           " -> " + y + "\n  kernel.return %0 : " + y + "\n}\n";
  }

  std::vector<int32_t> expected(const std::vector<uint8_t> &x, const std::vector<int8_t> &w, const std::vector<int32_t> &b) const {
    std::vector<int32_t> y;
    for (int64_t row = 0; row < rows(); ++row)
      for (int64_t column = 0; column < columns(); ++column)
        for (int64_t n = 0; n < outputs; ++n) {
          uint32_t sum = b[n];
          for (int64_t r = 0; r < filter; ++r)
            for (int64_t s = 0; s < filter; ++s)
              for (int64_t c = 0; c < channels; ++c) {
                int64_t i = row * stride + r - pad, j = column * stride + s - pad;
                bool inside = i >= 0 && i < height && j >= 0 && j < width;
                int32_t value = inside ? x[(i * width + j) * channels + c] : zeroPoint;
                sum += value * w[((n * channels + c) * filter + r) * filter + s];
              }
          y.push_back(int32_t(sum));
        }
    return y;
  }

  void check(const std::string &target, const std::string &schedule = "") const {
    SCOPED_TRACE(target + " " + schedule + "\n" + text());
    KernelHarness kernel(text(), target);
    ASSERT_TRUE(kernel.func()) << kernel.message;
    ASSERT_TRUE(kernel.compile(schedule)) << kernel.message;
    EXPECT_EQ(kernel.func().getSchedule()->getFamily().getValue(), "contraction");
    std::vector<uint8_t> x = bytes<uint8_t>(height * width * channels, 1);
    std::vector<int8_t> w = bytes<int8_t>(outputs * channels * filter * filter, 2);
    std::vector<int32_t> b(outputs), y(rows() * columns() * outputs, 77);
    for (int64_t n = 0; n < outputs; ++n)
      b[n] = 1000 * n - 3;
    kernel.run({x.data(), w.data(), b.data(), y.data()});
    EXPECT_EQ(y, expected(x, w, b));
  }
};

TEST(DotBytes, PointwiseIsExactOnEveryTarget) {
  for (const std::string &target : dotTargets())
    for (BytesConvolution c : {BytesConvolution{7, 9, 64, 48, 1}, {3, 3, 4, 1, 1}, {5, 7, 132, 19, 1}, {6, 6, 16, 40, 1, 2}, {9, 5, 20, 33, 1, 2}, {4, 3, 1028, 24, 1}})
      c.check(target);
}

TEST(DotBytes, PaddingReadsTheZeroPoint) {
  for (const std::string &target : dotTargets())
    for (BytesConvolution c : {BytesConvolution{9, 11, 16, 24, 3, 1, 1, 128}, {8, 8, 8, 17, 3, 2, 1, 7}, {9, 9, 32, 16, 3, 1, 1, 0}, {7, 7, 4, 8, 5, 1, 2, 255}})
      c.check(target);
}

TEST(DotBytes, OtherSchedulesAgree) {
  for (BytesConvolution c : {BytesConvolution{9, 11, 16, 40, 3, 1, 1, 128}, {6, 10, 64, 80, 1}})
    for (const std::string &target : {std::string("native"), std::string("x86-64")})
      for (const std::string &schedule : schedulesOf(c.text(), 6, target))
        c.check(target, schedule);
}

// An image's channels are woven to fours as it is copied.
TEST(DotBytes, FewChannels) {
  for (const std::string &target : dotTargets())
    for (BytesConvolution c : {BytesConvolution{9, 40, 3, 24, 3, 2, 1, 128}, {8, 9, 1, 17, 3, 1, 1, 0}, {12, 21, 2, 16, 7, 2, 3, 9}})
      c.check(target);
}

// Elsewhere rows of filters on an even number of bytes from one output to the next are one run of pairs: of one to three channels, with and without padding,
// boxes that cut the image's width.
TEST(DotBytes, RowsOfFiltersAreJoined) {
  for (const std::string &target : dotTargets())
    for (BytesConvolution c : {BytesConvolution{7, 33, 1, 24, 5, 2, 2, 7}, {6, 30, 2, 20, 4, 1, 2, 200}, {11, 25, 3, 17, 11, 4, 2, 128}})
      c.check(target);
  BytesConvolution c{14, 70, 3, 40, 7, 2, 3, 128};
  for (const std::string &schedule : schedulesOf(c.text(), 6, "x86-64"))
    c.check("x86-64", schedule);
}

// Whole tiles and lines that end in part of one, one to four tiles of columns, steps of 1 to 16 fours, taps that join with the depth and others.
TEST(DotBytes, TileRegistersAgree) {
  if (!llvm::cantFail(Target::parse("native")).tiles)
    GTEST_SKIP() << "this machine has no tile registers";
  for (BytesConvolution c : {BytesConvolution{9, 48, 16, 40, 3, 1, 1, 128}, {6, 32, 64, 80, 1}, {5, 21, 68, 33, 3, 2, 1, 3}, {7, 7, 192, 100, 3, 1, 1, 0}, {33, 40, 4, 16, 3, 2}, {1, 90, 256, 64, 1}})
    for (const std::string &schedule : schedulesOf(c.text(), 20, "native"))
      if (llvm::StringRef(schedule).contains("amx"))
        c.check("native", schedule);
}

// Packed panels of bytes are not cut along k.
TEST(DotBytes, RefusesPartialSums) {
  for (const char *target : {"x86-64", "x86-64-v4", "sapphirerapids"}) {
    KernelHarness kernel(BytesConvolution{6, 8, 512, 80, 1}.text(), target);
    EXPECT_FALSE(kernel.compile("#kernel.schedule<\"contraction\", {kc = 32 : i64, ku = 4 : i64, mr = 4 : i64, mt = 4 : i64, nv = 1 : i64}>"));
    EXPECT_FALSE(kernel.compile("#kernel.schedule<\"contraction\", {a = \"packed\", kc = 32 : i64, ku = 4 : i64, mr = 4 : i64, mt = 4 : i64, nv = 2 : i64}>"));
    EXPECT_NE(kernel.message.find("kc is not for bytes"), std::string::npos) << kernel.message;
  }
}

TEST(DotBytes, LinesShareWeights) {
  if (!llvm::cantFail(Target::parse("native")).tiles)
    GTEST_SKIP() << "this machine has no tile registers";
  for (auto [lines, vectors] : {std::pair(2, 2), std::pair(4, 1), std::pair(3, 1)})
    BytesConvolution{7, 7, 64, 100, 3, 1, 1, 9}.check("native", llvm::formatv("#kernel.schedule<\"contraction\", {{a = \"band\", amx = 1 : i64, bh = 0 : i64, ln = {0} : i64, mr = {1} : i64, "
                                                                              "nv = {2} : i64}>", lines, lines * 7, vectors).str());
}

TEST(DotBytes, ProductsOfRows) {
  for (const std::string &target : dotTargets()) {
    std::string text = "kernel.func private @k(%x: tensor<13x72xui8>, %w: tensor<72x37xi8> {kernel.constant}) -> tensor<13x37xi32> {\n"
                       "  %0 = nn.matmul %x, %w : tensor<13x72xui8>, tensor<72x37xi8> -> tensor<13x37xi32>\n"
                       "  kernel.return %0 : tensor<13x37xi32>\n}\n";
    KernelHarness kernel(text, target);
    ASSERT_TRUE(kernel.compile()) << kernel.message;
    EXPECT_EQ(kernel.func().getSchedule()->getFamily().getValue(), "contraction");
    std::vector<uint8_t> x = bytes<uint8_t>(13 * 72, 3);
    std::vector<int8_t> w = bytes<int8_t>(72 * 37, 4);
    std::vector<int32_t> y(13 * 37), expected(13 * 37);
    for (int i = 0; i < 13; ++i)
      for (int j = 0; j < 37; ++j)
        for (int k = 0; k < 72; ++k)
          expected[i * 37 + j] += x[i * 72 + k] * w[k * 37 + j];
    kernel.run({x.data(), w.data(), y.data()});
    EXPECT_EQ(y, expected) << target;
  }
}

// Signs that the dot instructions do not have, or a k that fours do not divide: other code, the same numbers.
TEST(DotBytes, OtherFormsAreExactToo) {
  std::string text = "kernel.func private @k(%x: tensor<5x7xi8>, %w: tensor<7x6xui8> {kernel.constant}) -> tensor<5x6xi32> {\n"
                     "  %0 = nn.matmul %x, %w : tensor<5x7xi8>, tensor<7x6xui8> -> tensor<5x6xi32>\n"
                     "  kernel.return %0 : tensor<5x6xi32>\n}\n";
  for (const std::string &target : dotTargets()) {
    KernelHarness kernel(text, target);
    ASSERT_TRUE(kernel.compile()) << kernel.message;
    std::vector<int8_t> x = bytes<int8_t>(35, 5);
    std::vector<uint8_t> w = bytes<uint8_t>(42, 6);
    std::vector<int32_t> y(30), expected(30);
    for (int i = 0; i < 5; ++i)
      for (int j = 0; j < 6; ++j)
        for (int k = 0; k < 7; ++k)
          expected[i * 6 + j] += x[i * 7 + k] * w[k * 6 + j];
    kernel.run({x.data(), w.data(), y.data()});
    EXPECT_EQ(y, expected) << target;
  }
}

TEST(DotBytes, CompilesForEveryTarget) {
  std::string message;
  EXPECT_TRUE(KernelHarness::compilesEverywhere(BytesConvolution{9, 11, 16, 24, 3, 1, 1, 128}.text(), message)) << message;
}

// One filter a channel reads bytes and subtracts their zero point as it loads them; padding counts as 0, that is as the zero point.
TEST(DotBytes, DepthwiseFiltersReadBytes) {
  std::string text = "kernel.func private @k(%x: tensor<1x7x9x40xui8>, %w: tensor<40x1x3x3xf32> {kernel.constant}) -> tensor<1x7x9x40xf32> {\n"
                     "  %z = nn.constant dense<100.0> : tensor<f32>\n"
                     "  %0 = nn.cast %x {to = f32} : tensor<1x7x9x40xui8> -> tensor<1x7x9x40xf32>\n"
                     "  %1 = nn.sub %0, %z : tensor<1x7x9x40xf32>, tensor<f32> -> tensor<1x7x9x40xf32>\n"
                     "  %2 = nn.conv %1, %w {strides = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>, dilations = array<i64: 1, 1>, groups = 40 : i64, layout = "
                     "#nn.layout<channels_last>} : tensor<1x7x9x40xf32>, tensor<40x1x3x3xf32> -> tensor<1x7x9x40xf32>\n"
                     "  kernel.return %2 : tensor<1x7x9x40xf32>\n}\n";
  std::vector<uint8_t> x = bytes<uint8_t>(7 * 9 * 40, 7);
  std::vector<float> w, y(x.size()), expected;
  for (int8_t weight : bytes<int8_t>(40 * 9, 8))
    w.push_back(weight);
  for (int i = 0; i < 7; ++i)
    for (int j = 0; j < 9; ++j)
      for (int c = 0; c < 40; ++c) {
        float sum = 0;
        for (int tap = 0; tap < 9; ++tap)
          if (int row = i + tap / 3 - 1, column = j + tap % 3 - 1; row >= 0 && row < 7 && column >= 0 && column < 9)
            sum += (float(x[(row * 9 + column) * 40 + c]) - 100) * w[c * 9 + tap];
        expected.push_back(sum);
      }
  for (const std::string &target : dotTargets()) {
    KernelHarness kernel(text, target);
    ASSERT_TRUE(kernel.compile()) << kernel.message;
    EXPECT_EQ(kernel.func().getSchedule()->getFamily().getValue(), "depthwise");
    kernel.run({x.data(), w.data(), y.data()});
    EXPECT_EQ(y, expected) << target;
  }
}

TEST(QuantizedOps, RoundsToEvenAndSaturates) {
  std::string text = "kernel.func private @k(%x: tensor<41xf32>) -> (tensor<41xui8>, tensor<41xi8>) {\n"
                     "  %0 = nn.quantize %x {zero_point = 100 : i64, to = ui8} : tensor<41xf32> -> tensor<41xui8>\n"
                     "  %1 = nn.quantize %x {zero_point = -3 : i64, to = i8} : tensor<41xf32> -> tensor<41xi8>\n"
                     "  kernel.return %0, %1 : tensor<41xui8>, tensor<41xi8>\n}\n";
  std::vector<float> x(41);
  for (int i = 0; i < 41; ++i)
    x[i] = (i - 20) * 12.5f; // every second one is a tie
  x[0] = -INFINITY, x[1] = INFINITY, x[2] = NAN, x[3] = 1e30f, x[4] = -1e30f;
  for (const std::string &target : dotTargets()) {
    KernelHarness kernel(text, target);
    ASSERT_TRUE(kernel.compile()) << kernel.message;
    std::vector<uint8_t> u(41);
    std::vector<int8_t> s(41);
    kernel.run({x.data(), u.data(), s.data()});
    for (int i = 0; i < 41; ++i) {
      double rounded = std::isnan(x[i]) ? -INFINITY : std::nearbyint(double(x[i]));
      EXPECT_EQ(int(u[i]), int(std::clamp(rounded + 100, 0.0, 255.0))) << target << " " << x[i];
      EXPECT_EQ(int(s[i]), int(std::clamp(rounded - 3, -128.0, 127.0))) << target << " " << x[i];
    }
  }
}

TEST(QuantizedOps, LooksUpEveryByte) {
  std::string table;
  for (int i = 0; i < 256; ++i)
    table += (i ? ", " : "") + std::to_string((i * 37 + 11) % 256);
  std::string text = "kernel.func private @k(%x: tensor<256xui8>) -> tensor<256xui8> {\n  %0 = nn.lookup %x {table = dense<[" + table +
                     "]> : tensor<256xui8>} : tensor<256xui8> -> tensor<256xui8>\n  kernel.return %0 : tensor<256xui8>\n}\n";
  for (const std::string &target : dotTargets()) {
    KernelHarness kernel(text, target);
    ASSERT_TRUE(kernel.func()) << kernel.message;
    ASSERT_TRUE(kernel.compile()) << kernel.message;
    std::vector<uint8_t> x(256), y(256);
    for (int i = 0; i < 256; ++i)
      x[i] = uint8_t(255 - i);
    kernel.run({x.data(), y.data()});
    for (int i = 0; i < 256; ++i)
      EXPECT_EQ(int(y[i]), ((255 - i) * 37 + 11) % 256) << target;
  }
}

} // namespace
} // namespace tenon::test
