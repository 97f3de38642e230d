// Chains of a 1x1, a depthwise and a 1x1 convolution as one kernel: borders, shares of the rows, tails of vectors, what stands between the
// convolutions.
#include "passes/6_codegen/cpu/KernelFamily.h"
#include "test/unit/codegen/KernelCheck.h"
#include "test/unit/codegen/Numbers.h"
#include <gtest/gtest.h>

namespace tenon::test {
namespace {

struct Chain {
  int64_t height, width;
  int64_t input = 0, channels = 16, output = 0; // 0 input channels: nothing before the depthwise convolution; 0 output channels: nothing after it
  int64_t taps = 3, stride = 1, dilation = 1;
  std::vector<int64_t> pads = {1, 1, 1, 1};
  bool residual = false, bias = true, freeBatch = false;
  std::string results = {}; // attributes of the result

  std::string image(int64_t h, int64_t w, int64_t c) const {
    if (!freeBatch)
      return tensor({2, h, w, c});
    std::string sizes = std::to_string(h) + "x" + std::to_string(w) + "x" + std::to_string(c),
                list = std::to_string(h) + ", " + std::to_string(w) + ", " + std::to_string(c);
    return "tensor<?x" + sizes + "xf32, #nn.dims<[n, " + list + "]>>";
  }
  std::string conv(const std::string &name, const std::string &input, const std::string &x, const std::string &y, std::vector<int64_t> filter,
                   bool isFilter) const {
    int64_t s = isFilter ? stride : 1, d = isFilter ? dilation : 1;
    std::string w = tensor(filter), b = tensor({filter[0]});
    return "  %" + name + " = nn.conv %" + input + ", %w" + name + (bias ? " bias %b" + name : "") + " {strides = " + array({s, s}) +
           ", pads = " + array(isFilter ? pads : std::vector<int64_t>{0, 0, 0, 0}) + ", dilations = " + array({d, d}) +
           (isFilter ? ", groups = " + std::to_string(channels) + " : i64" : "") + ", layout = #nn.layout<channels_last>} : " + x + ", " + w +
           (bias ? ", " + b : "") + " -> " + y + "\n";
  }

  std::string text() const {
    auto reach = [&](int64_t size, int side) { return (size + pads[side] + pads[side + 2] - dilation * (taps - 1) - 1) / stride + 1; };
    int64_t h = reach(height, 0), w = reach(width, 1);
    std::string e = image(height, width, channels), d = image(h, w, channels), arguments, body, last = "x", type = e;
    auto parameters = [&](const std::string &name, std::vector<int64_t> filter) {
      arguments += ", %w" + name + ": " + tensor(filter) + " {kernel.constant}" + (bias ? ", %b" + name + ": " + tensor({filter[0]}) : "");
      return filter;
    };
    if (input) {
      type = image(height, width, input);
      body += conv("e", last, type, e, parameters("e", {channels, input, 1, 1}), false);
      body += "  %f = nn.relu %e : " + e + " -> " + e + "\n";
      last = "f";
    }
    std::string x = input ? type : e;
    body += conv("d", last, e, d, parameters("d", {channels, 1, taps, taps}), true);
    body += "  %s = nn.sigmoid %d : " + d + " -> " + d + "\n  %g = nn.mul %d, %s : " + d + ", " + d + " -> " + d + "\n";
    last = "g";
    std::string y = d;
    if (output) {
      y = image(h, w, output);
      body += conv("p", last, d, y, parameters("p", {output, channels, 1, 1}), false);
      last = "p";
    }
    if (residual) {
      bool isInput = x == y;
      if (!isInput)
        arguments += ", %r: " + y;
      body += "  %a = nn.add %" + last + ", %" + (isInput ? "x" : "r") + " : " + y + ", " + y + " -> " + y + "\n";
      last = "a";
    }
    return "kernel.func private @k(%x: " + x + arguments + ") -> (" + y + results + ")" + (freeBatch ? " attributes {symbols = [\"n\"]}" : "") +
           " {\n" + body + "  kernel.return %" + last + " : " + y + "\n}\n";
  }
};

void check(const Chain &chain, size_t schedulesOfEach = 1, const Sizes &sizes = Sizes()) {
  for (const std::string &target : runnableTargets()) {
    auto schedules = schedulesOf(chain.text(), schedulesOfEach, target);
    ASSERT_FALSE(schedules.empty()) << chain.text();
    for (const std::string &schedule : schedules) {
      EXPECT_NE(schedule.find("depthwise_chain"), std::string::npos) << schedule << "\n" << chain.text();
      KernelCheck check;
      check.schedule = schedule;
      check.target = target;
      check.sizes = sizes;
      EXPECT_EQ(check(chain.text()), "") << schedule << " for " << target << "\n" << chain.text();
    }
  }
}

// All three forms; the input is the residual too, read by tasks that are not done with the rows around it.
TEST(DepthwiseChain, Forms) {
  check({.height = 9, .width = 14, .input = 8, .channels = 48, .output = 8, .residual = true}, 6);
  check({.height = 9, .width = 14, .input = 8, .channels = 48});
  check({.height = 9, .width = 14, .channels = 48, .output = 24, .residual = true});
}

// Windows that leave the image on either side, rows that no window reads, more rows in a window than there are.
TEST(DepthwiseChain, Windows) {
  check({.height = 11, .width = 13, .input = 16, .channels = 32, .output = 12, .stride = 2});
  check({.height = 12, .width = 16, .input = 16, .channels = 32, .output = 12, .taps = 5, .stride = 2, .pads = {1, 1, 2, 2}});
  check({.height = 10, .width = 10, .input = 4, .channels = 32, .taps = 2, .stride = 3, .pads = {0, 0, 0, 0}});
  check({.height = 12, .width = 9, .input = 4, .channels = 16, .output = 16, .dilation = 2, .pads = {2, 2, 2, 2}});
  check({.height = 3, .width = 4, .input = 4, .channels = 16, .output = 16, .taps = 7, .pads = {3, 3, 3, 3}});
  check({.height = 1, .width = 1, .input = 4, .channels = 16, .output = 16, .taps = 1, .pads = {0, 0, 0, 0}});
}

// Channels that end within a vector, and within a panel of several.
TEST(DepthwiseChain, Tails) {
  check({.height = 6, .width = 7, .input = 3, .channels = 33, .output = 17, .residual = true, .bias = false});
  check({.height = 6, .width = 7, .input = 24, .channels = 72, .output = 40});
  check({.height = 6, .width = 7, .channels = 7, .output = 5});
}

TEST(DepthwiseChain, FreeBatch) {
  Chain chain{.height = 6, .width = 8, .input = 8, .channels = 24, .output = 8, .stride = 2, .residual = true, .freeBatch = true};
  for (int64_t n : {1, 3}) {
    Sizes sizes;
    sizes["n"] = n;
    check(chain, 1, sizes);
  }
}

// The result is the first 8 of 20 channels of another tensor, whose other ones stay as they are.
TEST(DepthwiseChain, StridedResult) {
  Chain chain{.height = 6, .width = 8, .input = 8, .channels = 24, .output = 8, .bias = false};
  auto x = randomNumbers(2 * 6 * 8 * 8, 1), we = randomNumbers(24 * 8, 2), wd = randomNumbers(24 * 9, 3), wp = randomNumbers(8 * 24, 4);
  constexpr int64_t kPixels = 2 * 6 * 8, kWide = 20, kNarrow = 8;
  std::vector<float> dense(kPixels * kNarrow), wide(kPixels * kWide, 7.f), expected(wide);
  KernelHarness plain(chain.text());
  ASSERT_TRUE(plain.compile()) << plain.message;
  plain.run({x.data(), we.data(), wd.data(), wp.data(), dense.data()});
  chain.results = " {kernel.strides = #nn.dims<[960, 160, 20, 1]>}";
  KernelHarness strided(chain.text());
  ASSERT_TRUE(strided.compile()) << strided.message;
  strided.run({x.data(), we.data(), wd.data(), wp.data(), wide.data()});
  for (int64_t i = 0; i < kPixels; ++i)
    std::copy_n(&dense[i * kNarrow], kNarrow, &expected[i * kWide]);
  EXPECT_EQ(wide, expected);
}

TEST(DepthwiseChain, CompilesEverywhere) {
  std::string message;
  EXPECT_TRUE(
      KernelHarness::compilesEverywhere(Chain{.height = 6, .width = 9, .input = 8, .channels = 40, .output = 12, .stride = 2}.text(), message))
      << message;
}

// An expanded image that is returned too would never be written as a whole.
TEST(DepthwiseChain, KeepsWhatOthersRead) {
  std::string text = Chain{.height = 6, .width = 8, .input = 8, .channels = 24}.text(), e = tensor({2, 6, 8, 24});
  KernelHarness alone(text);
  ASSERT_NE(cpu::familyFor(alone.func(), alone.target()), nullptr);
  text.replace(text.find(") -> (" + e), 6 + e.size(), ") -> (" + e + ", " + e);
  text.replace(text.find("return %g : " + e), 12 + e.size(), "return %g, %f : " + e + ", " + e);
  KernelHarness both(text);
  ASSERT_TRUE(both.func()) << both.message;
  EXPECT_EQ(cpu::familyFor(both.func(), both.target()), nullptr);
}

} // namespace
} // namespace tenon::test
