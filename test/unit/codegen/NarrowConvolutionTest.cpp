// Convolutions with few output channels, channels last: borders, tails of runs, strides, epilogues, few and many columns.
#include "test/unit/codegen/KernelCheck.h"
#include <gtest/gtest.h>

namespace tenon::test {
namespace {

struct Narrow {
  std::vector<int64_t> input; // N, spatial..., C
  int64_t channels;
  std::vector<int64_t> filter, strides, pads;
  int64_t rowDilation = 1;
  bool bias = true;

  std::string text() const {
    std::vector<int64_t> weight{channels, input.back()}, result{input[0]}, dilations(filter.size(), 1);
    if (filter.size() == 2)
      dilations[0] = rowDilation;
    weight.insert(weight.end(), filter.begin(), filter.end());
    for (size_t d = 0; d < filter.size(); ++d)
      result.push_back((input[1 + d] + pads[d] + pads[filter.size() + d] - dilations[d] * (filter[d] - 1) - 1) / strides[d] + 1);
    result.push_back(channels);
    std::string x = tensor(input), w = tensor(weight), b = tensor({channels}), y = tensor(result);
    return "kernel.func private @k(%x: " + x + ", %w: " + w + " {kernel.constant}" + (bias ? ", %b: " + b : "") + ", %r: " + y + ") -> " + y +
           " {\n" + "  %0 = nn.conv %x, %w" + (bias ? " bias %b" : "") + " {strides = " + array(strides) + ", pads = " + array(pads) +
           ", dilations = " + array(dilations) + ", layout = #nn.layout<channels_last>} : " + x + ", " + w + (bias ? ", " + b : "") + " -> " + y +
           "\n  %1 = nn.sigmoid %0 : " + y + " -> " + y + "\n  %2 = nn.add %1, %r : " + y + ", " + y + " -> " + y + "\n  kernel.return %2 : " + y +
           "\n}\n";
  }
};

void check(const Narrow &conv) {
  auto schedules = schedulesOf(conv.text(), 4);
  ASSERT_FALSE(schedules.empty());
  for (const std::string &schedule : schedules) {
    EXPECT_NE(schedule.find("narrow_convolution"), std::string::npos) << schedule << "\n" << conv.text();
    KernelCheck check;
    check.schedule = schedule;
    EXPECT_EQ(check(conv.text()), "") << schedule << "\n" << conv.text();
  }
}

// Filters wider than the image is from its border; runs that end within a vector; rows above and below the image.
TEST(NarrowConvolution, Borders) {
  check({{1, 9, 40, 8}, 2, {3, 11}, {1, 1}, {1, 5, 1, 5}});
  check({{2, 5, 13, 33}, 1, {3, 3}, {1, 1}, {1, 1, 1, 1}});
  check({{1, 6, 7, 16}, 3, {5, 5}, {1, 1}, {4, 4, 4, 4}});
  check({{1, 6, 5, 40}, 1, {3, 7}, {1, 1}, {1, 6, 1, 6}});
  check({{1, 12, 21, 20}, 2, {3, 5}, {2, 3}, {2, 0, 1, 2}, 2});
}

// Every number of channels that leaves half of a vector empty on the smallest target.
TEST(NarrowConvolution, Channels) {
  for (int64_t channels : {1, 2, 3, 4})
    check({{1, 4, 19, 64}, channels, {1, 1}, {1, 1}, {0, 0, 0, 0}, 1, channels % 2 == 0});
}

// One long row is shared by blocks of columns.
TEST(NarrowConvolution, OneAxis) {
  check({{2, 900, 1}, 1, {256}, {2}, {0, 0}});
  check({{1, 1200, 3}, 1, {40}, {1}, {17, 22}});
}

TEST(NarrowConvolution, CompilesForEveryTarget) {
  std::string message;
  EXPECT_TRUE(KernelHarness::compilesEverywhere(Narrow{{1, 9, 40, 8}, 1, {3, 11}, {1, 1}, {1, 5, 1, 5}}.text(), message)) << message;
}

} // namespace
} // namespace tenon::test
