// Convolutions of bytes through Winograd's transforms: the very sums of the direct convolution, at the ends of the range as well.
#include "test/unit/codegen/KernelCheck.h"
#include "llvm/Support/FormatVariadic.h"
#include <gtest/gtest.h>
#include <random>

namespace tenon::test {
namespace {

enum class After { Nothing, Quantize, Lookup, Residual };

/// Random bytes, a good part of them at the ends of the range.
template <typename T> std::vector<T> bytes(size_t count, int seed) {
  std::mt19937 random(seed);
  std::vector<T> values(count);
  for (T &value : values)
    value = random() % 4 == 0 ? std::numeric_limits<T>::max() : random() % 4 == 0 ? std::numeric_limits<T>::min() : T(random());
  return values;
}

/// A 3x3 convolution of stride 1 with a bias. Padding reads the zero point.
struct Convolution {
  int64_t batch = 1, height, width, inputs, outputs;
  std::array<int64_t, 4> pads{1, 1, 1, 1}; // top, left, bottom, right
  int zeroPoint = 0;
  After after = After::Nothing;
  std::array<int64_t, 2> dilations{1, 1};
  bool isFree = false; // batch, height and width are symbols
  int64_t pitch = 0;   // bytes from one pixel to the next; 0: as many as there are channels
  int64_t stride = 1;
  std::vector<uint8_t> x = {};
  std::vector<int8_t> w = {};

  Convolution filled() const {
    Convolution c = *this;
    c.x = bytes<uint8_t>(batch * height * width * inputs, 1);
    c.w = bytes<int8_t>(outputs * inputs * 9, 2);
    return c;
  }

  int64_t down() const { return pads[0] + pads[2] - 2 * dilations[0]; }
  int64_t across() const { return pads[1] + pads[3] - 2 * dilations[1]; }
  int64_t rows() const { return (height + down() - 1) / stride + 1; }
  int64_t columns() const { return (width + across() - 1) / stride + 1; }
  int64_t results() const { return batch * rows() * columns() * outputs; }

  /// 255 times the largest sum of weights of one sign that an output has.
  int64_t largestSum() const {
    int64_t largest = 0;
    for (int64_t k = 0; k < outputs; ++k) {
      int64_t positive = 0, negative = 0;
      for (int64_t i = 0; i < inputs * 9; ++i)
        (w[k * inputs * 9 + i] < 0 ? negative : positive) += std::abs(w[k * inputs * 9 + i]);
      largest = std::max({largest, positive, negative});
    }
    return 255 * largest;
  }

  std::string image(int64_t moreRows, int64_t moreColumns, int64_t channels, const char *element, bool isResult = false) const {
    if (!isFree)
      return isResult ? tensor({batch, rows(), columns(), channels}, element) : tensor({batch, height + moreRows, width + moreColumns, channels}, element);
    auto size = [](const char *symbol, int64_t more) { return symbol + (more ? llvm::formatv(" + {0}", more).str() : std::string()); };
    return llvm::formatv("tensor<?x?x?x{0}x{1}, #nn.dims<[b, {2}, {3}, {0}]>>", channels, element, size("h", moreRows), size("w", moreColumns)).str();
  }

  std::string text() const {
    std::string xType = image(0, 0, inputs, "ui8"), wType = tensor({outputs, inputs, 3, 3}, "i8"), bType = tensor({outputs}, "i32"), sType = tensor({outputs});
    std::string sums = image(down(), across(), outputs, "i32", true), floats = image(down(), across(), outputs, "f32", true), small = image(down(), across(), outputs, "ui8", true);
    std::string y = after == After::Nothing ? sums : small, read = xType, source = "%x";
    std::string placed = pitch ? llvm::formatv(" {{kernel.strides = #nn.dims<[{0}, {1}, {2}, 1]>}", height * width * pitch, width * pitch, pitch).str() : "";
    std::string text = llvm::formatv("kernel.func private @k(%x: {0}{1}, %w: {2} {{kernel.constant, kernel.largest_sum = {3} : i64}, %b: {4}, %s: {5}, %r: {6}) -> {7} {{\n", xType, placed, wType,
                                     largestSum(), bType, sType, small, y).str();
    std::array<int64_t, 4> convPads = pads;
    if (zeroPoint) {
      read = image(pads[0] + pads[2], pads[1] + pads[3], inputs, "ui8"), source = "%p", convPads = {0, 0, 0, 0};
      text += llvm::formatv("  %z = nn.constant dense<{0}> : tensor<ui8>\n  %p = nn.pad %x value %z {{low = #nn.dims<[0, {1}, {2}, 0]>, high = #nn.dims<[0, {3}, {4}, 0]>} : {5}, tensor<ui8> "
                            "-> {6}\n", zeroPoint, pads[0], pads[1], pads[2], pads[3], xType, read).str();
    }
    text += llvm::formatv("  %0 = nn.conv {0}, %w bias %b {{strides = array<i64: {11}, {11}>, pads = array<i64: {1}, {2}, {3}, {4}>, dilations = array<i64: {5}, {6}>, layout = "
                          "#nn.layout<channels_last>} : {7}, {8}, {9} -> {10}\n",
                          source, convPads[0], convPads[1], convPads[2], convPads[3], dilations[0], dilations[1], read, wType, bType, sums, stride).str();
    if (after == After::Nothing)
      return text + "  kernel.return %0 : " + y + "\n}\n";
    text += "  %1 = nn.cast %0 {to = f32} : " + sums + " -> " + floats + "\n  %2 = nn.mul %1, %s : " + floats + ", " + sType + " -> " + floats + "\n";
    std::string last = "%2";
    if (after == After::Residual) {
      text += "  %3 = nn.cast %r {to = f32} : " + small + " -> " + floats + "\n  %4 = nn.add %2, %3 : " + floats + ", " + floats + " -> " + floats + "\n";
      last = "%4";
    }
    text += "  %5 = nn.quantize " + last + " {zero_point = 100 : i64, to = ui8} : " + floats + " -> " + small + "\n";
    if (after != After::Lookup)
      return text + "  kernel.return %5 : " + y + "\n}\n";
    text += "  %6 = nn.lookup %5 {table = dense<[";
    for (int i = 0; i < 256; ++i)
      text += (i ? ", " : "") + std::to_string((i * 37 + 11) % 256);
    return text + "]> : tensor<256xui8>} : " + small + " -> " + small + "\n  kernel.return %6 : " + y + "\n}\n";
  }

  static int32_t bias(int64_t output) { return 1000 * output - 3; }

  int32_t sumAt(int64_t image, int64_t row, int64_t column, int64_t output) const {
    int32_t sum = bias(output);
    for (int64_t tap = 0; tap < 9; ++tap) {
      int64_t y = row * stride + tap / 3 * dilations[0] - pads[0], z = column * stride + tap % 3 * dilations[1] - pads[1];
      bool inside = y >= 0 && y < height && z >= 0 && z < width;
      for (int64_t c = 0; c < inputs; ++c)
        sum += (inside ? x[((image * height + y) * width + z) * inputs + c] : zeroPoint) * w[(output * inputs + c) * 9 + tap];
    }
    return sum;
  }

  /// The results without what comes after, as memory.
  std::vector<char> sums() const {
    std::vector<int32_t> all;
    for (int64_t image = 0; image < batch; ++image)
      for (int64_t row = 0; row < rows(); ++row)
        for (int64_t column = 0; column < columns(); ++column)
          for (int64_t n = 0; n < outputs; ++n)
            all.push_back(sumAt(image, row, column, n));
    const char *memory = reinterpret_cast<const char *>(all.data());
    return std::vector<char>(memory, memory + all.size() * sizeof(int32_t));
  }

  std::vector<char> run(KernelHarness &kernel) const {
    std::vector<int32_t> b;
    std::vector<float> s;
    for (int64_t n = 0; n < outputs; ++n) {
      b.push_back(bias(n));
      s.push_back(float(1e-5 * (n % 7 + 1)));
    }
    int64_t apart = pitch ? pitch : inputs;
    std::vector<uint8_t> image(batch * height * width * apart, 99), r = bytes<uint8_t>(results(), 3);
    for (size_t i = 0; i < x.size(); ++i)
      image[i / inputs * apart + i % inputs] = x[i];
    std::vector<int8_t> filter = w;
    std::vector<char> y(results() * (after == After::Nothing ? 4 : 1), 77);
    Sizes sizes;
    if (isFree)
      sizes["b"] = batch, sizes["h"] = height, sizes["w"] = width;
    kernel.run({image.data(), filter.data(), b.data(), s.data(), r.data(), y.data()}, sizes);
    return y;
  }
};

/// Small register tiles, blocks that do not divide the tiles, several tasks: borders of everything at small sizes.
std::string schedule(int64_t m, int64_t tiles = 5, int64_t panels = 2, int64_t tileTasks = 2, int64_t columnTasks = 2, int64_t unroll = 4) {
  return llvm::formatv("#kernel.schedule<\"winograd_bytes\", {{m = {0} : i64, mr = 4 : i64, nv = 2 : i64, ku = {1} : i64, tb = {2} : i64, pb = {3} : i64, tm = {4} : i64, tn = {5} : i64, "
                       "pf = 1 : i64}>", m, unroll, tiles, panels, tileTasks, columnTasks).str();
}

/// Those whose multiply-adds of pairs differ and whose code runs here.
std::vector<std::string> targets() {
  std::vector<std::string> names = runnableTargets();
  if (names.front() != "native")
    names.push_back("x86-64");
  return names;
}

void checkOn(const std::string &target, const Convolution &convolution, const std::string &schedule, const std::vector<char> &expected) {
  SCOPED_TRACE(target + " " + schedule + "\n" + convolution.text());
  KernelHarness kernel(convolution.text(), target);
  ASSERT_TRUE(kernel.func()) << kernel.message;
  ASSERT_TRUE(kernel.compile(schedule)) << kernel.message;
  EXPECT_EQ(kernel.func().getSchedule()->getFamily().getValue(), "winograd_bytes");
  EXPECT_TRUE(convolution.run(kernel) == expected);
}

/// What the direct convolution of the same target gives.
std::vector<char> direct(const Convolution &convolution, const std::string &target) {
  KernelHarness kernel(convolution.text(), target);
  bool compiled = kernel.compile("#kernel.schedule<\"contraction\", {mr = 2 : i64, nv = 1 : i64, ku = 1 : i64, order = \"ji\", a = \"band\", pf = 0 : i64, tm = 1 : i64, tn = 1 : i64, "
                                 "bh = 2 : i64, bw = 8 : i64}>");
  EXPECT_TRUE(compiled) << kernel.message << convolution.text();
  return compiled ? convolution.run(kernel) : std::vector<char>();
}

void check(const Convolution &given) {
  Convolution convolution = given.x.empty() ? given.filled() : given;
  for (const std::string &target : targets()) {
    std::vector<char> expected = convolution.after == After::Nothing ? convolution.sums() : direct(convolution, target);
    for (const std::string &chosen : {schedule(2), schedule(4), schedule(2, 64, 3, 1, 1), schedule(4, 64, 3, 1, 1, 2)})
      if (convolution.stride == 1 || chosen.find("m = 4") != std::string::npos)
        checkOn(target, convolution, chosen, expected);
  }
}

TEST(WinogradBytes, WholeTiles) { check({1, 8, 12, 32, 64}); }

// Every remainder of the image by a tile, channels that fill no vector and no panel.
TEST(WinogradBytes, BorderTiles) {
  for (int64_t size : {5, 6, 7})
    check({2, size, 11 - size, 20, 21});
  check({1, 1, 1, 4, 5});
  check({3, 2, 9, 16, 1});
}

TEST(WinogradBytes, PaddingReadsTheZeroPoint) {
  check({1, 9, 10, 16, 16, {0, 0, 0, 0}});
  check({1, 7, 6, 20, 24, {2, 0, 1, 2}, 128});
  check({1, 6, 6, 32, 40, {1, 1, 1, 1}, 255});
  check({1, 6, 7, 12, 8, {0, 3, 2, 0}, 7});
}

// Requantized, looked up in a table, and added to bytes: the same bytes as behind the direct convolution.
TEST(WinogradBytes, Epilogues) {
  for (After after : {After::Quantize, After::Lookup, After::Residual})
    check({1, 9, 7, 32, 40, {1, 1, 1, 1}, 128, after});
}

TEST(WinogradBytes, FreeSizes) {
  for (auto [batch, height, width] : {std::tuple(1, 1, 1), {3, 4, 8}, {2, 13, 6}}) {
    Convolution convolution{batch, height, width, 12, 20, {1, 1, 1, 1}, batch == 3 ? 9 : 0};
    convolution.isFree = true;
    check(convolution);
  }
}

// Every phase of a dilation is a convolution of its own.
TEST(WinogradBytes, Dilations) {
  Convolution convolution{1, 13, 9, 16, 20, {3, 2, 3, 2}, 5};
  convolution.dilations = {3, 2};
  check(convolution);
}

// A part of the channels of a wider image.
TEST(WinogradBytes, StridedImages) {
  Convolution convolution{2, 9, 6, 16, 8, {1, 1, 1, 1}, 3};
  convolution.pitch = 40;
  check(convolution);
}

// Even and odd pixels are two images; of every remainder by tiles of 4 outputs, at both kinds of borders.
TEST(WinogradBytes, Strides) {
  auto strided = [](Convolution convolution) {
    convolution.stride = 2;
    check(convolution);
  };
  for (int64_t size : {16, 17, 19, 21})
    strided({1, size, 37 - size, 20, 24, {1, 1, 1, 1}, 7});
  strided({2, 3, 1, 16, 21});
  strided({1, 16, 32, 32, 16, {0, 0, 1, 1}, 255, After::Lookup});
  strided({1, 9, 10, 16, 40, {0, 2, 0, 1}, 0, After::Quantize});
}

// 112 channels of the extremes: sums of 98 % of what F(4x4) leaves room for.
TEST(WinogradBytes, LargestSumsAreExact) {
  for (int8_t weight : {-128, 127}) {
    Convolution convolution{1, 5, 6, 112, 8, {1, 1, 1, 1}, weight < 0 ? 255 : 0};
    convolution.x.assign(5 * 6 * 112, 255);
    convolution.w.assign(8 * 112 * 9, weight);
    check(convolution);
  }
}

std::string familyOf(const std::string &text, const std::string &target) {
  std::vector<std::string> schedules = schedulesOf(text, 1, target);
  return schedules.empty() ? "" : schedules.front();
}

Convolution ofEqualWeights(int64_t inputs, int64_t outputs, int8_t weight) {
  Convolution convolution{1, 28, 28, inputs, outputs};
  convolution.w.assign(outputs * inputs * 9, weight);
  return convolution;
}

bool refuses(const Convolution &convolution, int64_t m) {
  KernelHarness kernel(convolution.text(), "x86-64-v3");
  return !kernel.compile(schedule(m)) && kernel.message.find("kernel.largest_sum") != std::string::npos;
}

// Weights with which some image overflows are left to the direct convolution, whoever asks.
TEST(WinogradBytes, RefusesSumsThatMayOverflow) {
  EXPECT_FALSE(refuses(ofEqualWeights(112, 64, -128), 4));
  EXPECT_TRUE(refuses(ofEqualWeights(116, 64, -128), 4));
  EXPECT_TRUE(refuses(ofEqualWeights(116, 64, 127), 4));
  EXPECT_FALSE(refuses(ofEqualWeights(116, 64, -128), 2));
  EXPECT_TRUE(refuses(ofEqualWeights(1828, 1, -128), 2));
  Convolution strided = ofEqualWeights(116, 64, -128);
  strided.stride = 2;
  EXPECT_FALSE(refuses(strided, 4)); // F(4, 2) leaves more bits
  strided = ofEqualWeights(1828, 1, -128);
  strided.stride = 2;
  EXPECT_TRUE(refuses(strided, 4));
  EXPECT_NE(familyOf(ofEqualWeights(112, 64, -128).text(), "x86-64-v3").find(", m = 4"), std::string::npos);
  EXPECT_EQ(familyOf(ofEqualWeights(116, 64, -128).text(), "x86-64-v3").find(", m = 4"), std::string::npos);
  // Nothing is known of the weights.
  std::string text = ofEqualWeights(64, 64, 1).text();
  text.erase(text.find(", kernel.largest_sum"), text.find("}", text.find("kernel.largest_sum")) - text.find(", kernel.largest_sum"));
  EXPECT_NE(familyOf(text, "x86-64-v3").find("\"contraction\""), std::string::npos) << text;
  KernelHarness kernel(text, "x86-64-v3");
  EXPECT_FALSE(kernel.compile(schedule(4)));
}

// What the cost model chooses at sizes of real networks is exact too; where four bytes are multiplied at once, the direct convolution is faster.
TEST(WinogradBytes, FirstChoices) {
  for (Convolution given : {Convolution{1, 28, 28, 64, 64, {1, 1, 1, 1}, 128}, {1, 20, 20, 32, 32}}) {
    Convolution convolution = given.filled();
    EXPECT_NE(familyOf(convolution.text(), "icelake-server").find("\"contraction\""), std::string::npos);
    for (const std::string &target : runnableTargets())
      if (target != "native") {
        std::string chosen = familyOf(convolution.text(), target);
        ASSERT_NE(chosen.find("\"winograd_bytes\""), std::string::npos) << chosen;
        checkOn(target, convolution, chosen, convolution.sums());
      }
  }
}

TEST(WinogradBytes, CompilesForEveryTarget) {
  std::string message;
  EXPECT_TRUE(KernelHarness::compilesEverywhere(Convolution{1, 30, 29, 36, 65, {1, 1, 1, 1}, 128, After::Lookup}.filled().text(), message)) << message;
}

} // namespace
} // namespace tenon::test
