// nn.matmul and nn.conv through the contraction family, first choices and other schedules, against the reference.
#include "test/unit/codegen/KernelCheck.h"
#include "llvm/Support/FormatVariadic.h"
#include <gtest/gtest.h>

namespace tenon::test {
namespace {

struct Product {
  int64_t rows, depth, columns;
  bool transposeLhs = false, transposeRhs = false, bias = false, constant = true, residual = false;

  std::string text() const {
    std::string lhs = transposeLhs ? tensor({depth, rows}) : tensor({rows, depth});
    std::string rhs = transposeRhs ? tensor({columns, depth}) : tensor({depth, columns});
    std::string result = tensor({rows, columns}), vector = tensor({columns});
    std::string options = std::string(transposeLhs ? "transpose_lhs" : "") + (transposeLhs && transposeRhs ? ", " : "") + (transposeRhs ? "transpose_rhs" : "");
    std::string text = "kernel.func private @k(%a: " + lhs + ", %w: " + rhs + (constant ? " {kernel.constant}" : "") + (bias ? ", %b: " + vector : "") +
                       (residual ? ", %r: " + result : "") + ") -> " + result + " {\n";
    text += "  %0 = nn.matmul %a, %w" + std::string(bias ? " bias %b" : "") + " {" + options + "} : " + lhs + ", " + rhs + (bias ? ", " + vector : "") + " -> " + result + "\n";
    text += residual ? "  %1 = nn.add %0, %r : " + result + ", " + result + " -> " + result + "\n  %2 = nn.relu %1 : " + result + " -> " + result + "\n"
                     : "  %2 = nn.silu %0 : " + result + " -> " + result + "\n";
    return text + "  kernel.return %2 : " + result + "\n}\n";
  }
};

struct Convolution {
  std::vector<int64_t> input; // [N, Y..., C]
  int64_t outputs;
  std::vector<int64_t> filter, strides, pads, dilations;
  int64_t groups = 1;
  bool channelsFirst = false, constant = true; // the memory behind the input is [N, C, Y...]

  static std::string array(const std::vector<int64_t> &values) {
    std::string text = "array<i64: ";
    for (size_t i = 0; i < values.size(); ++i)
      text += (i ? ", " : "") + std::to_string(values[i]);
    return text + ">";
  }

  std::string text() const {
    size_t spatial = filter.size();
    std::vector<int64_t> result = input, weight{outputs, input.back() / groups}, memory = input;
    weight.insert(weight.end(), filter.begin(), filter.end());
    for (size_t s = 0; s < spatial; ++s)
      result[1 + s] = (input[1 + s] + pads[s] + pads[spatial + s] - (filter[s] - 1) * dilations[s] - 1) / strides[s] + 1;
    result.back() = outputs;
    std::string view, source = "%x";
    if (channelsFirst) {
      memory = {input[0], input.back()};
      memory.insert(memory.end(), input.begin() + 1, input.end() - 1);
      std::vector<int64_t> order{0};
      for (size_t s = 0; s < spatial; ++s)
        order.push_back(2 + s);
      order.push_back(1);
      view = "  %t = nn.transpose %x {perm = " + array(order) + "} : " + tensor(memory) + " -> " + tensor(input) + "\n";
      source = "%t";
    }
    std::string out = tensor(result), w = tensor(weight), b = tensor({outputs});
    return "kernel.func private @k(%x: " + tensor(memory) + ", %w: " + w + (constant ? " {kernel.constant}" : "") + ", %b: " + b + ") -> " + out + " {\n" + view +
           "  %0 = nn.conv " + source + ", %w bias %b {strides = " + array(strides) + ", pads = " + array(pads) + ", dilations = " + array(dilations) +
           ", groups = " + std::to_string(groups) + " : i64, layout = #nn.layout<channels_last>} : " + tensor(input) + ", " + w + ", " + b + " -> " + out +
           "\n  %1 = nn.relu %0 : " + out + " -> " + out + "\n  kernel.return %1 : " + out + "\n}\n";
  }
};

void checkSchedules(const std::string &text, size_t limit = 4) {
  for (const std::string &schedule : schedulesOf(text, limit)) {
    KernelCheck check;
    check.schedule = schedule;
    check.inPlace = true; // only where the plan allows it
    EXPECT_EQ(check(text), "") << schedule << "\n" << text;
  }
}

// Whole tiles; odd sizes with tails in every direction; one row (a stream of weights); a long depth (blocks of k, packed rows).
TEST(Contraction, ProductsOfConstantWeights) {
  checkSchedules(Product{6, 16, 16}.text());
  checkSchedules(Product{13, 37, 29, false, false, true}.text());
  checkSchedules(Product{1, 300, 130, false, true, true}.text());
  checkSchedules(Product{26, 520, 40, false, false, true, true, true}.text(), 12);
  checkSchedules(Product{200, 24, 72, false, false, true, true, true}.text());
  checkSchedules(Product{5, 3, 7}.text());
}

// Blocks of k of rows that are read where they lie.
TEST(Contraction, DepthBlocksInPlace) {
  KernelCheck check;
  check.schedule = "#kernel.schedule<\"contraction\", {mr = 4 : i64, nv = 1 : i64, ku = 4 : i64, kc = 104 : i64, mt = 3 : i64, a = \"in_place\"}>";
  EXPECT_EQ(check(Product{26, 520, 40, false, false, true}.text()), "");
}

TEST(Contraction, TransposedOperands) {
  checkSchedules(Product{17, 40, 24, true}.text());
  checkSchedules(Product{33, 21, 19, true, true}.text());
}

// Weights that are not known ahead are read in place, or packed panel by panel.
TEST(Contraction, FreeWeights) {
  checkSchedules(Product{20, 24, 40, false, false, true, false}.text());
  checkSchedules(Product{20, 25, 43, false, true, true, false, true}.text());
  checkSchedules(Convolution{{1, 8, 8, 6}, 20, {3, 3}, {1, 1}, {1, 1, 1, 1}, {1, 1}, 1, false, false}.text());
}

TEST(Contraction, FreeRows) {
  std::string rows = "#nn.dims<[m, 40]>", out = "tensor<?x24xf32, #nn.dims<[m, 24]>>", in = "tensor<?x40xf32, #nn.dims<[m, 40]>>";
  std::string text = "kernel.func private @k(%a: " + in + ", %w: tensor<40x24xf32> {kernel.constant}, %r: " + out + ") -> " + out + " {\n" +
                     "  %0 = nn.matmul %a, %w : " + in + ", tensor<40x24xf32> -> " + out + "\n  %1 = nn.add %0, %r : " + out + ", " + out + " -> " + out +
                     "\n  kernel.return %1 : " + out + "\n}\n";
  for (int64_t m : {1, 2, 3, 5, 6, 7, 11, 131}) {
    KernelCheck check;
    check.sizes["m"] = m;
    EXPECT_EQ(check(text), "") << m;
  }
}

// Both operands and every size free, leading axes broadcast: the pieces of an attention that was not fused.
TEST(Contraction, BatchedProductsOfFreeSizes) {
  for (bool transposed : {false, true}) {
    std::string in = "tensor<2x3x?x?xf32, #nn.dims<[2, 3, m, k]>>", out = "tensor<2x3x?x?xf32, #nn.dims<[2, 3, m, n]>>";
    std::string with = transposed ? "tensor<1x3x?x?xf32, #nn.dims<[1, 3, n, k]>>" : "tensor<1x3x?x?xf32, #nn.dims<[1, 3, k, n]>>";
    std::string text = "kernel.func private @k(%a: " + in + ", %w: " + with + ") -> " + out + " {\n  %0 = nn.matmul %a, %w" +
                       (transposed ? " {transpose_rhs}" : "") + " : " + in + ", " + with + " -> " + out + "\n  kernel.return %0 : " + out + "\n}\n";
    for (auto [m, k, n] : {std::tuple(1, 1, 1), {7, 9, 17}, {20, 32, 39}, {6, 5, 8}}) {
      KernelCheck check;
      check.sizes["m"] = m;
      check.sizes["k"] = k;
      check.sizes["n"] = n;
      EXPECT_EQ(check(text), "") << m << " " << k << " " << n << " " << transposed;
    }
  }
}

TEST(Contraction, Convolutions) {
  checkSchedules(Convolution{{1, 14, 14, 16}, 24, {3, 3}, {1, 1}, {1, 1, 1, 1}, {1, 1}}.text(), 10);
  checkSchedules(Convolution{{2, 13, 17, 5}, 11, {3, 3}, {2, 2}, {0, 1, 2, 1}, {1, 1}}.text());
  checkSchedules(Convolution{{1, 20, 9, 8}, 8, {5, 5}, {1, 1}, {4, 4, 4, 4}, {2, 2}}.text());
  checkSchedules(Convolution{{1, 12, 12, 16}, 16, {3, 3}, {1, 1}, {0, 0, 0, 0}, {1, 1}}.text());
}

// Pixels whose distance is a power of two lie further apart in the copy.
TEST(Contraction, ConvolutionsOfManyChannels) {
  checkSchedules(Convolution{{1, 7, 6, 512}, 24, {3, 3}, {1, 1}, {1, 1, 1, 1}, {1, 1}}.text());
  checkSchedules(Convolution{{1, 11, 9, 256}, 16, {3, 3}, {2, 2}, {1, 1, 1, 1}, {1, 1}}.text());
  checkSchedules(Convolution{{1, 5, 7, 512}, 16, {3, 3}, {1, 1}, {1, 1, 1, 1}, {1, 1}, 1, true}.text());
}

// Taps so far apart that a band holds a part for each of them: down, across, both; in boxes that are cut, with a stride, in one axis.
TEST(Contraction, DilatedConvolutions) {
  checkSchedules(Convolution{{1, 26, 24, 8}, 16, {3, 3}, {1, 1}, {12, 12, 12, 12}, {12, 12}}.text(), 30);
  checkSchedules(Convolution{{1, 30, 30, 24}, 40, {3, 3}, {1, 1}, {7, 30, 7, 30}, {7, 30}}.text(), 30);
  checkSchedules(Convolution{{2, 21, 23, 5}, 11, {3, 3}, {2, 2}, {3, 4, 5, 6}, {9, 8}}.text(), 30);
  checkSchedules(Convolution{{1, 64, 12}, 20, {5}, {1}, {20, 20}, {10}}.text());
}

TEST(Contraction, PointwiseConvolutions) {
  checkSchedules(Convolution{{1, 28, 28, 32}, 48, {1, 1}, {1, 1}, {0, 0, 0, 0}, {1, 1}}.text());
  checkSchedules(Convolution{{2, 15, 15, 24}, 40, {1, 1}, {2, 2}, {0, 0, 0, 0}, {1, 1}}.text());
}

// Panels never cross a group: group widths of a vector, below one, and no multiple of one; two outputs an input channel.
TEST(Contraction, GroupedConvolutions) {
  checkSchedules(Convolution{{1, 12, 12, 32}, 32, {3, 3}, {1, 1}, {1, 1, 1, 1}, {1, 1}, 4}.text());
  checkSchedules(Convolution{{1, 9, 8, 12}, 36, {3, 3}, {1, 1}, {1, 1, 1, 1}, {1, 1}, 3}.text());
  checkSchedules(Convolution{{1, 9, 8, 6}, 12, {3, 3}, {2, 1}, {1, 1, 1, 1}, {1, 1}, 6}.text());
}

// The model's input comes channels first and is turned on the way into the band.
TEST(Contraction, FirstLayers) {
  checkSchedules(Convolution{{1, 30, 32, 3}, 64, {7, 7}, {2, 2}, {3, 3, 3, 3}, {1, 1}, 1, true}.text());
  checkSchedules(Convolution{{2, 11, 21, 1}, 10, {3, 3}, {2, 2}, {1, 1, 1, 1}, {1, 1}, 1, true}.text());
}

TEST(Contraction, OneAndThreeAxes) {
  checkSchedules(Convolution{{2, 100, 12}, 20, {5}, {1}, {2, 2}, {1}}.text());
  checkSchedules(Convolution{{1, 50, 7}, 9, {3}, {2}, {2, 1}, {2}}.text());
  checkSchedules(Convolution{{1, 6, 7, 8, 4}, 12, {3, 3, 3}, {1, 1, 1}, {1, 1, 1, 1, 1, 1}, {1, 1, 1}}.text());
  checkSchedules(Convolution{{1, 40, 1, 16}, 16, {5, 1}, {1, 1}, {2, 0, 2, 0}, {1, 1}}.text());
}

TEST(Contraction, ConvolutionOfFreeSizes) {
  std::string in = "tensor<?x?x?x8xf32, #nn.dims<[b, h, w, 8]>>";
  std::string out = "tensor<?x?x?x20xf32, #nn.dims<[b, floordiv(h - 1, 2) + 1, floordiv(w - 1, 2) + 1, 20]>>";
  std::string text = "kernel.func private @k(%x: " + in + ", %w: tensor<20x8x3x3xf32> {kernel.constant}) -> " + out +
                     " {\n  %0 = nn.conv %x, %w {strides = array<i64: 2, 2>, pads = array<i64: 1, 1, 1, 1>, dilations = array<i64: 1, 1>, layout = #nn.layout<channels_last>} : " +
                     in + ", tensor<20x8x3x3xf32> -> " + out + "\n  kernel.return %0 : " + out + "\n}\n";
  for (auto [h, w] : {std::pair(1, 3), {2, 14}, {33, 150}}) {
    KernelCheck check;
    check.sizes["b"] = 2;
    check.sizes["h"] = h;
    check.sizes["w"] = w;
    EXPECT_EQ(check(text), "") << h << " x " << w;
  }
}

// A prologue (one scale for each channel and image) is evaluated while rows are packed; half precision is widened there.
TEST(Contraction, ProloguesAndHalfPrecision) {
  std::string x = tensor({1, 9, 9, 24}), w = tensor({32, 24, 1, 1}), y = tensor({1, 9, 9, 32}), s = tensor({1, 1, 1, 24});
  std::string options = "{strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, layout = #nn.layout<channels_last>}";
  checkSchedules("kernel.func private @k(%x: " + x + ", %s: " + s + ", %w: " + w + " {kernel.constant}) -> " + y + " {\n  %m = nn.mul %x, %s : " + x + ", " + s + " -> " + x +
                 "\n  %0 = nn.conv %m, %w " + options + " : " + x + ", " + w + " -> " + y + "\n  kernel.return %0 : " + y + "\n}\n");
  std::string a = tensor({11, 40}, "f16"), b = tensor({40, 24}, "f16"), c = tensor({11, 24}, "f16");
  KernelCheck half;
  half.tolerance = 1e-3;
  EXPECT_EQ(half("kernel.func private @k(%a: " + a + ", %w: " + b + " {kernel.constant}) -> " + c + " {\n  %0 = nn.matmul %a, %w : " + a + ", " + b + " -> " + c +
                 "\n  kernel.return %0 : " + c + "\n}\n"), "");
}

TEST(Contraction, CompilesForEveryTarget) {
  std::string message;
  EXPECT_TRUE(KernelHarness::compilesEverywhere(Product{26, 520, 43, false, false, true, true, true}.text(), message)) << message;
  EXPECT_TRUE(KernelHarness::compilesEverywhere(Convolution{{1, 13, 17, 5}, 11, {3, 3}, {2, 2}, {0, 1, 2, 1}, {1, 1}}.text(), message)) << message;
}

TEST(Contraction, RefusesSchedulesThatItCannotEmit) {
  KernelHarness harness(Product{16, 40, 24}.text());
  EXPECT_FALSE(harness.compile("#kernel.schedule<\"contraction\", {kc = 7 : i64, mr = 6 : i64, nv = 2 : i64}>"));
  EXPECT_NE(harness.message.find("kc divides the depth"), std::string::npos) << harness.message;
}

} // namespace
} // namespace tenon::test
