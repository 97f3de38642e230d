// Depthwise convolution and pooling, channels last, against plain C++: borders, tails, strides, free sizes.
#include "test/unit/codegen/KernelHarness.h"
#include "test/unit/codegen/Numbers.h"

namespace tenon::test {
namespace {

struct Window {
  int64_t images, height, width, channels, size, stride, pad, dilation;
  int64_t out(int64_t extent) const { return (extent + 2 * pad - (size - 1) * dilation - 1) / stride + 1; }
  int64_t inputs() const { return images * height * width * channels; }
  int64_t outputs() const { return images * out(height) * out(width) * channels; }
};

void PrintTo(const Window &w, std::ostream *os) {
  *os << w.images << "x" << w.height << "x" << w.width << "x" << w.channels << " window " << w.size << " stride " << w.stride << " pad " << w.pad
      << " dilation " << w.dilation;
}

/// Calls tap(image, y, x, channel, tap number, input element) for every tap inside, done(output element, taps) after each window.
template <typename Tap, typename Done> void slide(const Window &w, Tap tap, Done done) {
  for (int64_t o = 0; o < w.outputs(); ++o) {
    int64_t c = o % w.channels, x = o / w.channels % w.out(w.width), y = o / w.channels / w.out(w.width) % w.out(w.height),
            n = o / w.channels / w.out(w.width) / w.out(w.height), taps = 0;
    for (int64_t t = 0; t < w.size * w.size; ++t) {
      int64_t row = y * w.stride - w.pad + t / w.size * w.dilation, column = x * w.stride - w.pad + t % w.size * w.dilation;
      if (row < 0 || row >= w.height || column < 0 || column >= w.width)
        continue;
      tap(((n * w.height + row) * w.width + column) * w.channels + c, t, c);
      ++taps;
    }
    done(o, taps, c);
  }
}

std::string number(int64_t n) { return std::to_string(n); }
std::string pairs(int64_t n, int times) {
  std::string list = number(n);
  for (int i = 1; i < times; ++i)
    list += ", " + number(n);
  return list;
}

/// The types of input and result, with free image sizes or not.
std::pair<std::string, std::string> types(const Window &w, bool isFree) {
  if (!isFree)
    return {"tensor<" + number(w.images) + "x" + number(w.height) + "x" + number(w.width) + "x" + number(w.channels) + "xf32>",
            "tensor<" + number(w.images) + "x" + number(w.out(w.height)) + "x" + number(w.out(w.width)) + "x" + number(w.channels) + "xf32>"};
  auto out = [&](const char *name) {
    return std::string("floordiv(") + name + " + " + number(2 * w.pad - (w.size - 1) * w.dilation - 1) + ", " + number(w.stride) + ") + 1";
  };
  std::string start = "tensor<?x?x?x" + number(w.channels) + "xf32, #nn.dims<[n, ";
  return {start + "h, w, " + number(w.channels) + "]>>", start + out("h") + ", " + out("w") + ", " + number(w.channels) + "]>>"};
}

class Windows : public testing::TestWithParam<std::tuple<Window, bool>> {};

// conv + bias, then clip to [0, 6], then a residual.
TEST_P(Windows, DepthwiseWithEpilogue) {
  auto [w, isFree] = GetParam();
  auto [in, out] = types(w, isFree);
  std::string c = number(w.channels), filter = "tensor<" + c + "x1x" + number(w.size) + "x" + number(w.size) + "xf32>";
  KernelHarness kernel("kernel.func private @k(%x: " + in + ", %w: " + filter + " {kernel.constant}, %b: tensor<" + c + "xf32>, %r: " + out + ") -> " + out +
                       " {\n%0 = nn.conv %x, %w bias %b {strides = array<i64: " + pairs(w.stride, 2) + ">, pads = array<i64: " + pairs(w.pad, 4) +
                       ">, dilations = array<i64: " + pairs(w.dilation, 2) + ">, groups = " + c + " : i64, layout = #nn.layout<channels_last>} : " + in + ", " +
                       filter + ", tensor<" + c + "xf32> -> " + out + "\n%1 = nn.clip %0 {low = 0.0 : f64, high = 6.0 : f64} : " + out + " -> " + out +
                       "\n%2 = nn.add %1, %r : " + out + ", " + out + " -> " + out + "\nkernel.return %2 : " + out + " }");
  ASSERT_TRUE(kernel.compile()) << kernel.message;
  EXPECT_EQ(kernel.func().getSchedule()->getFamily().getValue(), "depthwise");
  auto x = randomNumbers(w.inputs()), weight = randomNumbers(w.channels * w.size * w.size, 2), bias = randomNumbers(w.channels, 3),
       residual = randomNumbers(w.outputs(), 4);
  std::vector<float> got(w.outputs(), NAN), expected(w.outputs());
  double sum = 0;
  slide(
      w, [&](int64_t i, int64_t t, int64_t channel) { sum += double(x[i]) * weight[channel * w.size * w.size + t]; },
      [&](int64_t o, int64_t, int64_t channel) {
        expected[o] = float(std::clamp(sum + bias[channel], 0.0, 6.0) + residual[o]);
        sum = 0;
      });
  kernel.run({x.data(), weight.data(), bias.data(), residual.data(), got.data()}, {{"n", w.images}, {"h", w.height}, {"w", w.width}});
  expectNear(got, expected);
}

TEST_P(Windows, Pooling) {
  auto [w, isFree] = GetParam();
  auto [in, out] = types(w, isFree);
  for (bool isMax : {true, false})
    for (bool countsPadding : {false, true}) {
      if (w.size == 1 || (isMax && countsPadding))
        continue;
      KernelHarness kernel("kernel.func private @k(%x: " + in + ") -> " + out + " {\n%0 = nn.pool %x {kind = #nn.pool_kind<" + (isMax ? "max" : "average") +
                           ">, window = array<i64: " + pairs(w.size, 2) + ">, strides = array<i64: " + pairs(w.stride, 2) + ">, pads = array<i64: " +
                           pairs(w.pad, 4) + ">, dilations = array<i64: " + pairs(w.dilation, 2) + ">, " + (countsPadding ? "count_include_pad, " : "") +
                           "layout = #nn.layout<channels_last>} : " + in + " -> " + out + "\nkernel.return %0 : " + out + " }");
      ASSERT_TRUE(kernel.compile()) << kernel.message;
      EXPECT_EQ(kernel.func().getSchedule()->getFamily().getValue(), "pooling");
      auto x = randomNumbers(w.inputs());
      std::vector<float> got(w.outputs(), NAN), expected(w.outputs());
      double sum = 0, largest = -INFINITY;
      slide(
          w, [&](int64_t i, int64_t, int64_t) { sum += x[i], largest = std::max(largest, double(x[i])); },
          [&](int64_t o, int64_t taps, int64_t) {
            expected[o] = float(isMax ? largest : sum / double(countsPadding ? w.size * w.size : taps));
            sum = 0, largest = -INFINITY;
          });
      kernel.run({x.data(), got.data()}, {{"n", w.images}, {"h", w.height}, {"w", w.width}});
      expectNear(got, expected);
    }
}

INSTANTIATE_TEST_SUITE_P(Shapes, Windows,
                         testing::Combine(testing::Values(Window{1, 14, 14, 32, 3, 1, 1, 1},  // all full vectors, two tiles a row
                                                          Window{2, 9, 17, 13, 3, 1, 1, 1},   // channels leave a tail
                                                          Window{1, 15, 16, 24, 3, 2, 1, 1},  // stride
                                                          Window{1, 14, 13, 40, 5, 2, 2, 1},  // wide and strided
                                                          Window{1, 9, 20, 17, 7, 1, 3, 1},   // the window's rows in a loop
                                                          Window{1, 11, 12, 8, 3, 1, 2, 2},   // dilation
                                                          Window{1, 2, 3, 8, 3, 1, 1, 1},     // every window clipped
                                                          Window{3, 6, 6, 8, 2, 2, 0, 1}),    // no padding
                                          testing::Bool()));

} // namespace
} // namespace tenon::test
