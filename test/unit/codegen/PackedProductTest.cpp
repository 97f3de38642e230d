// Products with packed weights of four and eight bits against plain loops: rows of all kinds, columns that end within a tile, zero points, what follows the product.
#include "test/unit/codegen/KernelCheck.h"
#include "test/unit/codegen/Numbers.h"
#include "llvm/Support/FormatVariadic.h"
#include <gtest/gtest.h>
#include <random>

namespace tenon::test {
namespace {

struct PackedProduct {
  int64_t rows, depth, columns, size;
  bool hasZeroPoints = false, hasBias = false, isActivated = false;
  int64_t bits = 4;

  int64_t blocks() const { return depth / size; }
  int64_t tiles() const { return (columns + 31) / 32; }

  static std::string unpackedText(const std::string &c, const std::string &n) {
    return "  %m = nn.constant dense<15> : tensor<ui8>\n  %0 = nn.bit_shift %c, %a {nn.kept_packed} : " + c + ", tensor<2x1xui8> -> " + n + "\n  %1 = nn.bitwise_and %0, %m : " + n + ", tensor<ui8> -> " + n + "\n";
  }

  std::string text() const {
    std::string x = tensor({rows, depth}), y = tensor({rows, columns}), c = tensor({blocks(), size, tiles(), bits / 4, 16}, "ui8"), n = tensor({blocks(), size, tiles(), 2, 16}, "ui8");
    std::string f = tensor({blocks(), size, tiles(), 2, 16}), s = tensor({blocks(), 1, tiles(), 2, 16}), z = hasZeroPoints ? s : "tensor<f32>", wide = tensor({depth, tiles() * 32});
    std::string w = tensor({depth, columns}), b = tensor({columns}), text;
    text = "kernel.func private @k(%x: " + x + ", %c: " + c + " {kernel.constant}, " + (bits == 4 ? "%a: tensor<2x1xui8> {kernel.constant}, " : "") + "%s: " + s + " {kernel.constant}";
    text += hasZeroPoints ? ", %z: " + s + " {kernel.constant}" : "";
    text += (hasBias ? ", %b: " + b + " {kernel.constant}" : "") + ") -> " + y + " {\n";
    text += hasZeroPoints ? "" : "  %z = nn.constant dense<" + std::string(bits == 4 ? "8" : "128") + ".0> : tensor<f32>\n";
    text += bits == 4 ? unpackedText(c, n) : "";
    std::string marked = bits == 4 ? "%1 {to = f32}" : "%c {to = f32, nn.kept_packed}";
    text += "  %2 = nn.cast " + marked + " : " + n + " -> " + f + "\n  %3 = nn.sub %2, %z : " + f + ", " + z + " -> " + f + "\n  %4 = nn.mul %3, %s : " + f + ", " + s + " -> " + f + "\n";
    text += llvm::formatv("  %5 = nn.reshape %4 {{dims = #nn.dims<[{0}, {1}]>} : {2} -> {3}\n", depth, tiles() * 32, f, wide).str();
    std::string weights = "%5";
    if (columns % 32) {
      text += llvm::formatv("  %6 = nn.slice %5 {{starts = #nn.dims<[0, 0]>, sizes = #nn.dims<[{0}, {1}]>, steps = array<i64: 1, 1>} : {2} -> {3}\n", depth, columns, wide, w).str();
      weights = "%6";
    }
    text += "  %y = nn.matmul %x, " + weights + (hasBias ? " bias %b : " + x + ", " + w + ", " + b : " : " + x + ", " + w) + " -> " + y + "\n";
    text += isActivated ? "  %r = nn.relu %y : " + y + " -> " + y + "\n  kernel.return %r : " + y + "\n}\n" : "  kernel.return %y : " + y + "\n}\n";
    return text;
  }

  void check(const std::string &target) const {
    SCOPED_TRACE(target + "\n" + text());
    KernelHarness kernel(text(), target);
    ASSERT_TRUE(kernel.func()) << kernel.message;
    ASSERT_TRUE(kernel.compile()) << kernel.message;
    EXPECT_EQ(kernel.func().getSchedule()->getFamily().getValue(), "packed_product");
    std::mt19937 random(7);
    std::vector<uint8_t> codes(size_t(depth * tiles() * 4 * bits)), amounts{0, 4};
    for (uint8_t &code : codes)
      code = uint8_t(random());
    std::vector<float> x = randomNumbers(size_t(rows * depth), 1), scales = randomNumbers(size_t(blocks() * tiles() * 32), 2), bias = randomNumbers(size_t(columns), 3), y(size_t(rows * columns), 77);
    std::vector<float> zeros(scales.size(), float(1 << (bits - 1)));
    for (float &zero : zeros)
      zero = hasZeroPoints ? float(random() % (1 << bits)) : zero;
    KernelHarness::Buffers buffers{x.data(), codes.data()};
    if (bits == 4)
      buffers.push_back(amounts.data());
    buffers.push_back(scales.data());
    if (hasZeroPoints)
      buffers.push_back(zeros.data());
    if (hasBias)
      buffers.push_back(bias.data());
    buffers.push_back(y.data());
    kernel.run(buffers);
    for (int64_t row = 0; row < rows; ++row)
      for (int64_t column = 0; column < columns; ++column) {
        double sum = hasBias ? bias[size_t(column)] : 0, size_ = 1;
        for (int64_t k = 0; k < depth; ++k) {
          int64_t tile = column / 32, lane = column % 32, block = k / size;
          uint8_t byte = codes[size_t((k * tiles() + tile) * 4 * bits + lane % (4 * bits))];
          size_t at = size_t((block * tiles() + tile) * 32 + lane);
          double weight = (double(bits == 8 ? byte : lane < 16 ? byte & 15 : byte >> 4) - zeros[at]) * scales[at], product = x[size_t(row * depth + k)] * weight;
          sum += product;
          size_ += std::abs(product);
        }
        ASSERT_NEAR(y[size_t(row * columns + column)], isActivated ? std::max(sum, 0.0) : sum, 1e-6 * size_) << row << ", " << column;
      }
  }
};

TEST(PackedProduct, AgreesWithPlainLoops) {
  for (const std::string &target : runnableTargets())
    for (PackedProduct p : {PackedProduct{1, 64, 64, 32}, {1, 96, 50, 32, false, true}, {1, 32, 7, 16, true}, {2, 128, 33, 64, true, true, true}, {5, 64, 96, 16, false, true, true}, {23, 160, 40, 32, true}, {64, 96, 70, 32, false, true},
                            {1, 64, 64, 32, false, false, false, 8}, {1, 96, 50, 32, true, true, false, 8}, {3, 64, 7, 16, false, true, true, 8}, {23, 160, 40, 32, true, false, false, 8}, {64, 96, 70, 32, false, true, false, 8}})
      p.check(target);
}

TEST(PackedProduct, CompilesForEveryTarget) {
  std::string message;
  for (int64_t bits : {4, 8})
    EXPECT_TRUE(KernelHarness::compilesEverywhere(PackedProduct{3, 64, 48, 32, true, true, false, bits}.text(), message)) << message;
}

} // namespace
} // namespace tenon::test
