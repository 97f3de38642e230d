// Products and convolutions of bf16 with sums in f32: by pairs where the target multiplies those, widened elsewhere. Factors are bf16 in the reference, too, so that
// only the order of the sums differs.
#include "passes/6_codegen/cpu/DotBfloat.h"
#include "test/unit/codegen/KernelCheck.h"
#include "llvm/Support/FormatVariadic.h"
#include <gtest/gtest.h>

namespace tenon::test {
namespace {

/// Those whose code runs here: AMX-BF16, AVX512-BF16, neither.
std::vector<std::string> bfloatTargets() {
  Target host = llvm::cantFail(Target::parse("native"));
  std::vector<std::string> names{"native"};
  for (const char *name : {"x86-64-v3", "znver4"}) {
    Target target = llvm::cantFail(Target::parse(name));
    if (llvm::all_of(target.required, [&](const std::string &feature) { return llvm::is_contained(host.required, feature); }))
      names.push_back(name);
  }
  return names;
}

struct BfloatConvolution {
  int64_t height, width, channels, outputs, filter, stride = 1, pad = 0, dilation = 1;

  /// With a bias, a residual of bf16 and a clip; `element` of the result.
  std::string text(const char *element = "f32") const {
    int64_t reach = (filter - 1) * dilation + 1, rows = (height + 2 * pad - reach) / stride + 1, columns = (width + 2 * pad - reach) / stride + 1;
    std::string x = tensor({1, height, width, channels}, "bf16"), w = tensor({outputs, channels, filter, filter}, "bf16"), b = tensor({outputs}),
                sums = tensor({1, rows, columns, outputs}, "bf16"), y = tensor({1, rows, columns, outputs}), z = tensor({1, rows, columns, outputs}, element);
    return llvm::formatv("kernel.func private @k(%x: {0}, %w: {1} {{kernel.constant}, %b: {2}, %r: {3}) -> {5} {{\n"
                         "  %0 = nn.conv %x, %w bias %b {{strides = array<i64: {6}, {6}>, pads = array<i64: {7}, {7}, {7}, {7}>, dilations = array<i64: {8}, {8}>, layout = "
                         "#nn.layout<channels_last>, kernel.bf16_pairs} : {0}, {1}, {2} -> {3}\n"
                         "  %1 = nn.cast %0 {{to = f32} : {3} -> {4}\n  %2 = nn.cast %r {{to = f32, kernel.bf16_pairs} : {3} -> {4}\n"
                         "  %3 = nn.add %1, %2 : {4}, {4} -> {4}\n  %4 = nn.relu %3 : {4} -> {4}\n  %5 = nn.cast %4 {{to = {9}, kernel.bf16_pairs} : {4} -> {5}\n"
                         "  kernel.return %5 : {5}\n}\n",
                         x, w, b, sums, y, z, stride, pad, dilation, element);
  }
};

constexpr BfloatConvolution kPointwise[] = {{7, 9, 64, 48, 1}, {3, 3, 2, 9, 1}, {5, 7, 66, 19, 1}, {6, 6, 16, 40, 1, 2}, {4, 3, 514, 24, 1}};
constexpr BfloatConvolution kWindows[] = {{9, 11, 16, 24, 3, 1, 1}, {8, 8, 6, 17, 3, 2, 1}, {9, 40, 32, 33, 3, 1, 1}, {12, 12, 10, 16, 3, 1, 4, 4}};

KernelCheck checkOn(const std::string &target, const std::string &schedule = "") {
  KernelCheck check;
  check.target = target;
  check.schedule = schedule;
  check.tolerance = 1e-5;
  return check;
}

TEST(DotBfloat, ConvolutionsOnEveryTarget) {
  for (const std::string &target : bfloatTargets())
    for (llvm::ArrayRef<BfloatConvolution> some : {llvm::ArrayRef(kPointwise), llvm::ArrayRef(kWindows)})
      for (const BfloatConvolution &c : some)
        EXPECT_EQ(checkOn(target)(c.text()), "") << target << "\n" << c.text();
}

TEST(DotBfloat, ResultsAreRoundedOnce) {
  for (const std::string &target : bfloatTargets()) {
    KernelCheck check = checkOn(target);
    check.tolerance = 0x1p-8; // half a step of the mantissa's eight bits
    EXPECT_EQ(check(kPointwise[0].text("bf16")), "") << target;
  }
}

TEST(DotBfloat, OtherSchedulesAgree) {
  for (const std::string &target : bfloatTargets())
    for (const BfloatConvolution &c : {kPointwise[0], kWindows[0]})
      for (const std::string &schedule : schedulesOf(c.text(), 4, target))
        EXPECT_EQ(checkOn(target, schedule)(c.text()), "") << target << " " << schedule;
}

// Whole tiles and lines that end in part of one, one to four tiles of columns, steps of 1 to 16 pairs.
TEST(DotBfloat, TileRegistersAgree) {
  if (!llvm::cantFail(Target::parse("native")).tilesOfBf16)
    GTEST_SKIP() << "this machine has no tile registers of bf16";
  int tried = 0;
  for (BfloatConvolution c : {BfloatConvolution{6, 48, 16, 40, 3, 1, 1}, {6, 32, 64, 80, 1}, {5, 21, 34, 33, 3, 2, 1}, {7, 7, 96, 100, 3, 1, 1}, {1, 90, 128, 64, 1}})
    for (const std::string &schedule : schedulesOf(c.text(), 8))
      if (llvm::StringRef(schedule).contains("amx")) {
        EXPECT_EQ(checkOn("native", schedule)(c.text()), "") << schedule << "\n" << c.text();
        ++tried;
      }
  EXPECT_GT(tried, 4);
}

std::string linesSchedule(int64_t lines, int64_t length, int64_t vectors, int64_t height) {
  return llvm::formatv("#kernel.schedule<\"contraction\", {{a = \"band\", amx = 1 : i64, bh = {3} : i64, ku = 4 : i64, ln = {0} : i64, mr = {1} : i64, nv = {2} : i64}>", lines,
                       lines * length, vectors, height);
}

// Lines that are no multiple, boxes of several heights, lines that end in part of a tile.
TEST(DotBfloat, LinesShareWeights) {
  BfloatConvolution small{7, 7, 64, 100, 3, 1, 1}, wide{8, 21, 32, 40, 3, 1, 1};
  KernelHarness odd(wide.text(), "sapphirerapids");
  EXPECT_FALSE(odd.compile(linesSchedule(4, 11, 1, 3)));
  EXPECT_NE(odd.message.find("boxes (bh) of equal heights"), std::string::npos) << odd.message;
  KernelHarness vectors(wide.text(), "sapphirerapids");
  EXPECT_FALSE(vectors.compile("#kernel.schedule<\"contraction\", {a = \"band\", bh = 4 : i64, ln = 2 : i64, mr = 4 : i64, nv = 2 : i64}>"));
  EXPECT_NE(vectors.message.find("ln is at least 1, and for amx"), std::string::npos) << vectors.message;
  if (!llvm::cantFail(Target::parse("native")).tilesOfBf16)
    GTEST_SKIP() << "this machine has no tile registers of bf16";
  for (auto [lines, vectors] : {std::pair(2, 2), std::pair(4, 1), std::pair(3, 1)})
    EXPECT_EQ(checkOn("native", linesSchedule(lines, 7, vectors, 0))(small.text()), "") << lines;
  EXPECT_EQ(checkOn("native", linesSchedule(2, 11, 2, 4))(wide.text()), "");
  EXPECT_EQ(checkOn("native", linesSchedule(3, 16, 1, 8))(wide.text()), "");
}

std::string product(int64_t rows, int64_t depth, int64_t columns, bool transposed) {
  std::string x = tensor({rows, depth}, "bf16"), w = transposed ? tensor({columns, depth}, "bf16") : tensor({depth, columns}, "bf16"),
              sums = tensor({rows, columns}, "bf16"), y = tensor({rows, columns});
  return llvm::formatv("kernel.func private @k(%x: {0}, %w: {1} {{kernel.constant}) -> {3} {{\n  %0 = nn.matmul %x, %w {{{4}kernel.bf16_pairs} : {0}, {1} -> {2}\n"
                       "  %1 = nn.cast %0 {{to = f32} : {2} -> {3}\n  kernel.return %1 : {3}\n}\n",
                       x, w, sums, y, transposed ? "transpose_rhs, " : "");
}

TEST(DotBfloat, ProductsOfRows) {
  for (const std::string &target : bfloatTargets())
    for (bool transposed : {false, true})
      for (auto [rows, depth, columns] : {std::tuple(13, 72, 37), std::tuple(1, 130, 70), std::tuple(64, 256, 96), std::tuple(5, 2, 16)})
        EXPECT_EQ(checkOn(target)(product(rows, depth, columns, transposed)), "") << target << " " << rows << " " << depth << " " << columns;
}

// The channels of an image are rounded and woven to pairs as they are copied, from wherever they lie.
TEST(DotBfloat, ImagesAreWoven) {
  for (const std::string &target : bfloatTargets())
    for (int64_t channels : {1, 2, 3, 4}) {
      std::string image = tensor({1, channels, 11, 40}), view = tensor({1, 11, 40, channels}), x = tensor({1, 11, 40, channels}, "bf16"),
                  w = tensor({24, channels, 3, 3}, "bf16"), sums = tensor({1, 6, 20, 24}, "bf16"), y = tensor({1, 6, 20, 24});
      std::string text = llvm::formatv("kernel.func private @k(%i: {0}, %w: {3} {{kernel.constant}) -> {5} {{\n  %v = nn.transpose %i {{perm = array<i64: 0, 2, 3, 1>} : {0} -> {1}\n"
                                       "  %x = nn.cast %v {{to = bf16, kernel.bf16_pairs} : {1} -> {2}\n  %0 = nn.conv %x, %w {{strides = array<i64: 2, 2>, pads = array<i64: 1, 1, 1, 1>, "
                                       "dilations = array<i64: 1, 1>, layout = #nn.layout<channels_last>, kernel.bf16_pairs} : {2}, {3} -> {4}\n"
                                       "  %1 = nn.cast %0 {{to = f32} : {4} -> {5}\n  kernel.return %1 : {5}\n}\n",
                                       image, view, x, w, sums, y);
      KernelCheck check = checkOn(target);
      check.tolerance = 0x1p-7; // the reference rounds no image
      EXPECT_EQ(check(text), "") << target << "\n" << text;
      EXPECT_EQ(checkOn(target)(BfloatConvolution{9, 21, channels, 24, 3, 2, 1}.text()), "") << target;
    }
}

// One filter a channel widens bf16 as it loads it.
TEST(DotBfloat, DepthwiseFiltersReadIt) {
  std::string x = tensor({1, 7, 9, 40}, "bf16"), y = tensor({1, 7, 9, 40}), w = tensor({40, 1, 3, 3});
  std::string text = llvm::formatv("kernel.func private @k(%x: {0}, %w: {1} {{kernel.constant}) -> {0} {{\n  %0 = nn.cast %x {{to = f32, kernel.bf16_pairs} : {0} -> {2}\n"
                                   "  %1 = nn.conv %0, %w {{strides = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>, dilations = array<i64: 1, 1>, groups = 40 : i64, layout = "
                                   "#nn.layout<channels_last>} : {2}, {1} -> {2}\n  %2 = nn.cast %1 {{to = bf16, kernel.bf16_pairs} : {2} -> {0}\n  kernel.return %2 : {0}\n}\n", x, w, y);
  for (const std::string &target : bfloatTargets()) {
    KernelHarness kernel(text, target);
    ASSERT_TRUE(kernel.compile()) << kernel.message;
    EXPECT_EQ(kernel.func().getSchedule()->getFamily().getValue(), "depthwise");
    KernelCheck check = checkOn(target);
    check.tolerance = 0x1p-8;
    EXPECT_EQ(check(text), "") << target;
  }
}

// An odd k, and one of a group, are no pairs: other code, the same numbers.
TEST(DotBfloat, WhatIsNoPairIsWidened) {
  for (const std::string &target : bfloatTargets()) {
    EXPECT_EQ(checkOn(target)(product(6, 33, 20, false)), "") << target;
    EXPECT_EQ(checkOn(target)(BfloatConvolution{6, 9, 5, 16, 3, 1, 1}.text()), "") << target;
  }
}

TEST(DotBfloat, MultipliesPairsWhereTargetsDo) {
  auto count = [](const char *target, const char *instruction) {
    KernelHarness kernel(product(32, 64, 32, false), target);
    EXPECT_TRUE(kernel.compile()) << kernel.message;
    return llvm::StringRef(kernel.assembly()).count(instruction);
  };
  EXPECT_GT(count("sapphirerapids", "tdpbf16ps"), 0u);
  EXPECT_GT(count("znver4", "vdpbf16ps"), 0u);
  EXPECT_GT(count("neoverse-v2", "bfdot"), 0u);
  EXPECT_EQ(count("x86-64-v4", "dpbf16ps"), 0u);
}

TEST(DotBfloat, CompilesForEveryTarget) {
  std::string message;
  EXPECT_TRUE(KernelHarness::compilesEverywhere(kWindows[0].text(), message)) << message;
}

TEST(DotBfloat, TilesAreAskedForByPlansThatUseThem) {
  KernelHarness tiles(product(32, 64, 32, false), "sapphirerapids"), vectors(product(32, 64, 32, false), "znver4");
  ASSERT_TRUE(tiles.compile() && vectors.compile());
  EXPECT_TRUE(cpu::usesTilesOfBf16(tiles.func()));
  EXPECT_FALSE(cpu::usesTilesOfBf16(vectors.func()));
  EXPECT_FALSE(llvm::is_contained(tiles.target().required, "amx-bf16"));
}

} // namespace
} // namespace tenon::test
