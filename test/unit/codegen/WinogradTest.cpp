// nn.conv through the Winograd family, on AVX2 and AVX-512, against the direct sums of the reference.
#include "test/unit/codegen/KernelCheck.h"
#include <gtest/gtest.h>

namespace tenon::test {
namespace {

/// A 3x3 convolution of stride 1 with a bias, whose filter has small error bounds. Sizes below 0 are free: batch, height, width.
struct Convolution {
  int64_t batch = 1, height, width, inputs, outputs;
  std::array<int64_t, 4> pads{1, 1, 1, 1}; // top, left, bottom, right
  std::string errors = "1.0e-6, 1.0e-5";
  bool residual = false; // y = relu(conv + r), which may be written over r
  std::array<int64_t, 2> dilations{1, 1};

  std::string tensorOf(std::array<int64_t, 4> sizes, int64_t downPads = 0, int64_t acrossPads = 0) const {
    if (batch >= 0 && height >= 0 && width >= 0)
      return tensor(sizes);
    auto free = [](int64_t size, const char *symbol, int64_t more) {
      return size >= 0 ? std::to_string(size) : symbol + (more ? " + " + std::to_string(more) : std::string());
    };
    std::string dims = free(batch, "b", 0) + ", " + free(height, "h", downPads) + ", " + free(width, "w", acrossPads), shape;
    for (int64_t size : {batch, height < 0 ? -1 : sizes[1], width < 0 ? -1 : sizes[2]})
      shape += size < 0 ? "?x" : std::to_string(size) + "x";
    return "tensor<" + shape + std::to_string(sizes[3]) + "xf32, #nn.dims<[" + dims + ", " + std::to_string(sizes[3]) + "]>>";
  }

  std::string text() const {
    int64_t down = pads[0] + pads[2] - 2 * dilations[0], across = pads[1] + pads[3] - 2 * dilations[1];
    std::string x = tensorOf({batch, height, width, inputs}), y = tensorOf({batch, height + down, width + across, outputs}, down, across);
    std::string w = tensor({outputs, inputs, 3, 3}), bias = tensor({outputs});
    std::string text = "kernel.func private @k(%x: " + x + ", %w: " + w + " {kernel.constant, kernel.winograd_errors = array<f64: " + errors + ">}, %b: " + bias +
                       (residual ? ", %r: " + y : "") + ") -> " + y + " {\n  %0 = nn.conv %x, %w bias %b {strides = array<i64: 1, 1>, pads = array<i64: ";
    for (auto [i, pad] : llvm::enumerate(pads))
      text += (i ? ", " : "") + std::to_string(pad);
    text += ">, dilations = array<i64: " + std::to_string(dilations[0]) + ", " + std::to_string(dilations[1]) + ">, layout = #nn.layout<channels_last>} : " + x + ", " + w + ", " + bias + " -> " + y + "\n";
    text += residual ? "  %1 = nn.add %0, %r : " + y + ", " + y + " -> " + y + "\n" : "  %1 = nn.silu %0 : " + y + " -> " + y + "\n";
    return text + "  %2 = nn.relu %1 : " + y + " -> " + y + "\n  kernel.return %2 : " + y + "\n}\n";
  }
};

/// Small register tiles, blocks that do not divide the tiles, several tasks: borders of everything at small sizes.
std::string schedule(int64_t m, int64_t tiles = 5, int64_t panels = 2, int64_t tileTasks = 2, int64_t columnTasks = 2, int64_t rows = 4, int64_t vectors = 2) {
  std::string text = "#kernel.schedule<\"winograd\", {";
  for (auto [name, value] : {std::pair("m", m), {"mr", rows}, {"nv", vectors}, {"ku", int64_t(4)}, {"tb", tiles}, {"pb", panels}, {"tm", tileTasks}, {"tn", columnTasks}})
    text += std::string(name) + " = " + std::to_string(value) + " : i64, ";
  return text + "pf = 1 : i64}>";
}

/// F(4x4) loses about two bits.
double toleranceOf(int64_t m) { return m == 2 ? 3e-6 : 2e-5; }

void checkBoth(const Convolution &convolution, const Sizes &sizes = Sizes()) {
  for (const std::string &target : runnableTargets())
    for (int64_t m : {2, 4})
      for (auto [tiles, panels, tileTasks, columnTasks] : {std::tuple(5, 2, 2, 2), {64, 3, 1, 1}}) {
        KernelCheck check;
        check.schedule = schedule(m, tiles, panels, tileTasks, columnTasks);
        check.target = target;
        check.sizes = sizes;
        check.tolerance = toleranceOf(m);
        check.inPlace = true;
        EXPECT_EQ(check(convolution.text()), "") << target << " " << check.schedule << "\n" << convolution.text();
      }
}

TEST(Winograd, WholeTiles) { checkBoth({1, 8, 12, 32, 64}); }

// Every remainder of the image by a tile, channels that fill no vector and no panel.
TEST(Winograd, BorderTiles) {
  for (int64_t size : {5, 6, 7})
    checkBoth({2, size, 11 - size, 19, 21});
  checkBoth({1, 1, 1, 3, 5});
  checkBoth({3, 2, 9, 1, 1});
}

TEST(Winograd, Pads) {
  checkBoth({1, 9, 10, 16, 16, {0, 0, 0, 0}});
  checkBoth({1, 7, 6, 20, 24, {2, 0, 1, 2}});
  checkBoth({1, 6, 6, 8, 40, {0, 3, 2, 0}});
}

// The sum goes where the residual was.
TEST(Winograd, Residuals) {
  checkBoth({1, 9, 7, 16, 40, {1, 1, 1, 1}, "1.0e-6, 1.0e-5", true});
}

TEST(Winograd, FreeSizes) {
  Convolution convolution{-1, -1, -1, 12, 20};
  for (auto [batch, height, width] : {std::tuple(1, 1, 1), {3, 4, 8}, {2, 13, 6}}) {
    Sizes sizes;
    sizes["b"] = batch;
    sizes["h"] = height;
    sizes["w"] = width;
    checkBoth(convolution, sizes);
  }
  Sizes batch;
  batch["b"] = 3;
  checkBoth({-1, 7, 7, 16, 32}, batch);
}

// Every phase of a dilation is a convolution of its own, of sizes that differ by one; more phases than rows.
TEST(Winograd, Dilations) {
  auto dilated = [](int64_t height, int64_t width, int64_t down, int64_t across) {
    Convolution convolution{2, height, width, 12, 20, {down, across, down, across}};
    convolution.dilations = {down, across};
    return convolution;
  };
  checkBoth(dilated(16, 17, 2, 2));
  checkBoth(dilated(13, 9, 3, 12));
  checkBoth(dilated(7, 10, 1, 4));
  Convolution convolution = dilated(-1, -1, 5, 2);
  for (auto [height, width] : {std::pair(1, 1), {4, 11}, {26, 8}}) {
    Sizes sizes;
    sizes["h"] = height;
    sizes["w"] = width;
    checkBoth(convolution, sizes);
  }
}

// What the cost model chooses at sizes of real networks is right too.
TEST(Winograd, FirstChoices) {
  for (const std::string &target : runnableTargets())
    for (const Convolution &convolution : {Convolution{1, 28, 28, 64, 64}, {1, 20, 20, 32, 32}})
      for (const std::string &chosen : schedulesOf(convolution.text(), 1, target)) {
        EXPECT_NE(chosen.find("\"winograd\""), std::string::npos) << chosen;
        KernelCheck check;
        check.schedule = chosen;
        check.target = target;
        check.tolerance = toleranceOf(4);
        EXPECT_EQ(check(convolution.text()), "") << target << " " << chosen;
      }
}

std::string familyOf(const Convolution &convolution) {
  std::vector<std::string> schedules = schedulesOf(convolution.text(), 1);
  return schedules.empty() ? "" : schedules.front();
}

// The bounds decide: F(4x4) only below 1e-4 of the output's range, F(2x2) likewise, neither where they are not numbers.
TEST(Winograd, ErrorBounds) {
  Convolution convolution{1, 56, 56, 64, 64};
  EXPECT_NE(familyOf(convolution).find("m = 4"), std::string::npos) << familyOf(convolution);
  convolution.errors = "1.0e-6, 1.1e-4";
  EXPECT_NE(familyOf(convolution).find("m = 2"), std::string::npos) << familyOf(convolution);
  for (const char *errors : {"1.1e-4, 1.1e-4", "0x7FF8000000000000, 0x7FF8000000000000"}) {
    convolution.errors = errors;
    EXPECT_NE(familyOf(convolution).find("\"contraction\""), std::string::npos) << familyOf(convolution);
  }
}

TEST(Winograd, RefusesWhatItDoesNotCompute) {
  KernelHarness harness(Convolution{1, 8, 8, 8, 8}.text());
  EXPECT_FALSE(harness.compile("#kernel.schedule<\"winograd\", {m = 3 : i64}>"));
  EXPECT_NE(harness.message.find("m is 2 or 4"), std::string::npos) << harness.message;
  std::string text = Convolution{1, 8, 8, 8, 8, {0, 0, 0, 0}}.text(), same = "tensor<1x6x6x8xf32>";
  text.replace(text.find("strides = array<i64: 1, 1>"), 26, "strides = array<i64: 2, 2>");
  for (size_t at = text.find(same); at != std::string::npos; at = text.find(same))
    text.replace(at, same.size(), "tensor<1x3x3x8xf32>");
  KernelHarness strided(text);
  EXPECT_FALSE(strided.compile(schedule(4)));
  EXPECT_NE(strided.message.find("of stride 1"), std::string::npos) << strided.message;
}

TEST(Winograd, CompilesForEveryTarget) {
  std::string message;
  EXPECT_TRUE(KernelHarness::compilesEverywhere(Convolution{1, 30, 29, 33, 65}.text(), message)) << message;
}

} // namespace
} // namespace tenon::test
