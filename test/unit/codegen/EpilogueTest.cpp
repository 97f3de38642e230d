// Epilogues and prologues in isolation: the anchor is a relu that the test itself computes, the rest is theirs.
#include "passes/6_codegen/cpu/Elementwise.h"
#include "test/unit/codegen/KernelHarness.h"
#include <cmath>
#include <gtest/gtest.h>
#include <numeric>

namespace tenon::test {
namespace {
using namespace mlir;

/// Loads the first argument row by row in registers of 8, applies relu (the body's first op), and hands them to the epilogue.
void emitRows(KernelHarness &harness, kernel::FuncOp func, ModuleOp module) {
  cpu::KernelBuilder b(module, func, harness.target());
  Operation *relu = nullptr;
  func.walk([&](nn::ReluOp op) { relu = relu ? relu : op.getOperation(); });
  ASSERT_TRUE(cpu::Epilogue::matches(relu->getResult(0)));
  cpu::Epilogue epilogue(b, relu->getResult(0));
  cpu::Prologue prologue(b, relu->getOperand(0));
  SmallVector<cpu::Index> sizes = b.sizesOf(relu->getResult(0));
  b.loop(0, sizes[0], 1, [&](cpu::Index i) {
    epilogue.prefetch({i, 0});
    b.lanesLoop(sizes[1], 8, [&](cpu::Index j, Value mask) {
      Value x = prologue.load({i, j}, 8, 1, mask);
      epilogue.store(cpu::emitElementwise(b, relu, x), {i, j}, mask);
    });
  });
  b.finish();
}

struct Rows : KernelHarness {
  explicit Rows(StringRef text, StringRef target = "native") : KernelHarness(text, target) {
    good = compileBy([&](kernel::FuncOp func, ModuleOp module) { emitRows(*this, func, module); });
  }
  bool good;
};

std::vector<float> numbers(int count, float scale = 0.37f) {
  std::vector<float> x(count);
  for (int i = 0; i < count; ++i)
    x[i] = std::sin(i * 1.7f) * scale * 10;
  return x;
}
float relu(float x) { return std::max(x, 0.0f); }
float silu(float x) { return x / (1 + std::exp(-x)); }

TEST(Epilogue, BiasResidualActivation) {
  Rows k(R"(kernel.func private @k(%x: tensor<7x19xf32>, %bias: tensor<19xf32>, %r: tensor<7x19xf32>) -> tensor<7x19xf32> attributes {overwrites = array<i64: 2>} {
    %0 = nn.relu %x : tensor<7x19xf32> -> tensor<7x19xf32>
    %1 = nn.add %0, %bias : tensor<7x19xf32>, tensor<19xf32> -> tensor<7x19xf32>
    %2 = nn.silu %1 : tensor<7x19xf32> -> tensor<7x19xf32>
    %3 = nn.add %r, %2 : tensor<7x19xf32>, tensor<7x19xf32> -> tensor<7x19xf32>
    kernel.return %3 : tensor<7x19xf32>
  })");
  ASSERT_TRUE(k.good) << k.message;
  std::vector<float> x = numbers(7 * 19), bias = numbers(19, 0.1f), residual = numbers(7 * 19, 0.2f), y = residual;
  k.run({x.data(), bias.data(), y.data(), y.data()}); // in place
  for (int i = 0; i < 7 * 19; ++i)
    EXPECT_NEAR(y[i], residual[i] + silu(relu(x[i]) + bias[i % 19]), 1e-5) << i;
}

TEST(Epilogue, ScalarColumnAndConstantOperands) {
  Rows k(R"(kernel.func private @k(%x: tensor<5x16xf32>, %column: tensor<5x1xf32>, %scalar: tensor<f32>) -> tensor<5x16xf32> {
    %half = nn.constant dense<0.5> : tensor<f32>
    %ramp = nn.constant dense<[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0, 11.0, 12.0, 13.0, 14.0, 15.0, 16.0]> : tensor<16xf32>
    %0 = nn.relu %x : tensor<5x16xf32> -> tensor<5x16xf32>
    %1 = nn.mul %0, %half : tensor<5x16xf32>, tensor<f32> -> tensor<5x16xf32>
    %2 = nn.mul %1, %column : tensor<5x16xf32>, tensor<5x1xf32> -> tensor<5x16xf32>
    %s = nn.exp %scalar : tensor<f32> -> tensor<f32>
    %3 = nn.add %2, %s : tensor<5x16xf32>, tensor<f32> -> tensor<5x16xf32>
    %4 = nn.mul %3, %ramp : tensor<5x16xf32>, tensor<16xf32> -> tensor<5x16xf32>
    kernel.return %4 : tensor<5x16xf32>
  })");
  ASSERT_TRUE(k.good) << k.message;
  std::vector<float> x = numbers(80), column = numbers(5), scalar = {0.7f}, y(80);
  k.run({x.data(), column.data(), scalar.data(), y.data()});
  for (int i = 0; i < 80; ++i)
    EXPECT_NEAR(y[i], (relu(x[i]) * 0.5f * column[i / 16] + std::exp(0.7f)) * (i % 16 + 1), 1e-3) << i;
}

/// Splitting the last axis: 16 is a multiple of a register, so lanes stay together; 12 takes them apart.
void splitHeads(int head) {
  std::string h = std::to_string(head), w = std::to_string(3 * head);
  Rows k("kernel.func private @k(%x: tensor<4x" + w + "xf32>) -> tensor<3x4x" + h + "xf32> {\n"
         "  %0 = nn.relu %x : tensor<4x" + w + "xf32> -> tensor<4x" + w + "xf32>\n"
         "  %1 = nn.reshape %0 {dims = #nn.dims<[4, 3, " + h + "]>} : tensor<4x" + w + "xf32> -> tensor<4x3x" + h + "xf32>\n"
         "  %2 = nn.transpose %1 {perm = array<i64: 1, 0, 2>} : tensor<4x3x" + h + "xf32> -> tensor<3x4x" + h + "xf32>\n"
         "  kernel.return %2 : tensor<3x4x" + h + "xf32> }");
  ASSERT_TRUE(k.good) << k.message;
  std::vector<float> x = numbers(12 * head), y(12 * head);
  k.run({x.data(), y.data()});
  for (int row = 0; row < 4; ++row)
    for (int group = 0; group < 3; ++group)
      for (int i = 0; i < head; ++i)
        EXPECT_EQ(y[(group * 4 + row) * head + i], relu(x[(row * 3 + group) * head + i])) << row << " " << group << " " << i;
}
TEST(Epilogue, ReshapeAndTransposeKeepLanes) { splitHeads(16); }
TEST(Epilogue, ReshapeAndTransposeTakeLanesApart) { splitHeads(12); }

TEST(Epilogue, TransposedResult) {
  Rows k(R"(kernel.func private @k(%x: tensor<6x21xf32>, %bias: tensor<6xf32>) -> tensor<21x6xf32> {
    %0 = nn.relu %x : tensor<6x21xf32> -> tensor<6x21xf32>
    %1 = nn.transpose %0 {perm = array<i64: 1, 0>} : tensor<6x21xf32> -> tensor<21x6xf32>
    %2 = nn.add %1, %bias : tensor<21x6xf32>, tensor<6xf32> -> tensor<21x6xf32>
    kernel.return %2 : tensor<21x6xf32>
  })");
  ASSERT_TRUE(k.good) << k.message;
  std::vector<float> x = numbers(126), bias = numbers(6), y(126);
  k.run({x.data(), bias.data(), y.data()});
  for (int i = 0; i < 6; ++i)
    for (int j = 0; j < 21; ++j)
      EXPECT_FLOAT_EQ(y[j * 6 + i], relu(x[i * 21 + j]) + bias[i]);
}

TEST(Epilogue, BroadcastKnownAtRunTimeOnly) {
  Rows k(R"(kernel.func private @k(%x: tensor<3x?xf32, #nn.dims<[3, n]>>, %b: tensor<?xf32, #nn.dims<[m]>>) -> tensor<3x?xf32, #nn.dims<[3, n]>> {
    %0 = nn.relu %x : tensor<3x?xf32, #nn.dims<[3, n]>> -> tensor<3x?xf32, #nn.dims<[3, n]>>
    %e = nn.expand %b {dims = #nn.dims<[3, n]>} : tensor<?xf32, #nn.dims<[m]>> -> tensor<3x?xf32, #nn.dims<[3, n]>>
    %1 = nn.add %0, %e : tensor<3x?xf32, #nn.dims<[3, n]>>, tensor<3x?xf32, #nn.dims<[3, n]>> -> tensor<3x?xf32, #nn.dims<[3, n]>>
    kernel.return %1 : tensor<3x?xf32, #nn.dims<[3, n]>>
  })");
  if (!k.func())
    GTEST_SKIP() << k.message;
  ASSERT_TRUE(k.good) << k.message;
  for (int n : {1, 5, 8, 20})
    for (int m : {1, n}) {
      std::vector<float> x = numbers(3 * n), bias = numbers(m), y(3 * n);
      k.run({x.data(), bias.data(), y.data()}, {{"n", n}, {"m", m}});
      for (int i = 0; i < 3 * n; ++i)
        EXPECT_FLOAT_EQ(y[i], relu(x[i]) + bias[m == 1 ? 0 : i % n]) << n << " " << m;
    }
}

TEST(Epilogue, SeveralResultsAndTypes) {
  Rows k(R"(kernel.func private @k(%x: tensor<4x10xf32>) -> (tensor<4x10xui8>, tensor<4x10xi1>, tensor<40xf32>) {
    %limit = nn.constant dense<2.0> : tensor<f32>
    %0 = nn.relu %x : tensor<4x10xf32> -> tensor<4x10xf32>
    %1 = nn.cast %0 {to = ui8} : tensor<4x10xf32> -> tensor<4x10xui8>
    %2 = nn.less %0, %limit : tensor<4x10xf32>, tensor<f32> -> tensor<4x10xi1>
    %3 = nn.reshape %0 {dims = #nn.dims<[40]>} : tensor<4x10xf32> -> tensor<40xf32>
    kernel.return %1, %2, %3 : tensor<4x10xui8>, tensor<4x10xi1>, tensor<40xf32>
  })");
  ASSERT_TRUE(k.good) << k.message;
  std::vector<float> x = numbers(40, 40), y(40);
  x[3] = NAN;
  std::vector<uint8_t> bytes(40), bits(40, 7);
  k.run({x.data(), bytes.data(), bits.data(), y.data()});
  for (int i = 0; i < 40; ++i) {
    float r = std::isnan(x[i]) ? x[i] : relu(x[i]);
    EXPECT_EQ(bytes[i], std::isnan(r) ? 0 : int(std::min(r, 255.0f))) << x[i];
    EXPECT_EQ(bits[i], r < 2.0f);
    EXPECT_TRUE(std::isnan(r) ? std::isnan(y[i]) : y[i] == r);
  }
}

TEST(Prologue, PadConcatAndScale) {
  Rows k(R"(kernel.func private @k(%a: tensor<3x5xf32>, %b: tensor<3x6xf32>, %s: tensor<3x1xf32>) -> tensor<3x14xf32> {
    %0 = nn.concat %a, %b {axis = 1 : i64} : tensor<3x5xf32>, tensor<3x6xf32> -> tensor<3x11xf32>
    %1 = nn.mul %0, %s : tensor<3x11xf32>, tensor<3x1xf32> -> tensor<3x11xf32>
    %2 = nn.pad %1 {low = #nn.dims<[0, 2]>, high = #nn.dims<[0, 1]>} : tensor<3x11xf32> -> tensor<3x14xf32>
    %3 = nn.relu %2 : tensor<3x14xf32> -> tensor<3x14xf32>
    kernel.return %3 : tensor<3x14xf32>
  })");
  ASSERT_TRUE(k.good) << k.message;
  std::vector<float> a = numbers(15), b = numbers(18, 0.2f), s = numbers(3), y(42, -1.0f);
  k.run({a.data(), b.data(), s.data(), y.data()});
  for (int i = 0; i < 3; ++i)
    for (int j = 0; j < 14; ++j) {
      int c = j - 2;
      float expected = c < 0 || c >= 11 ? 0 : relu((c < 5 ? a[i * 5 + c] : b[i * 6 + c - 5]) * s[i]);
      EXPECT_FLOAT_EQ(y[i * 14 + j], expected) << i << " " << j;
    }
}

TEST(Prologue, HalfPrecision) {
  for (const char *target : {"native", "x86-64"}) {
    Rows k(R"(kernel.func private @k(%x: tensor<2x19xf16>, %b: tensor<19xbf16>) -> tensor<2x19xf16> {
      %0 = nn.relu %x : tensor<2x19xf16> -> tensor<2x19xf16>
      %c = nn.cast %b {to = f16} : tensor<19xbf16> -> tensor<19xf16>
      %1 = nn.add %0, %c : tensor<2x19xf16>, tensor<19xf16> -> tensor<2x19xf16>
      kernel.return %1 : tensor<2x19xf16>
    })", target);
    ASSERT_TRUE(k.good) << k.message;
    std::vector<_Float16> x(38), y(38);
    std::vector<uint16_t> b(19);
    std::vector<float> exact(19);
    for (int i = 0; i < 38; ++i)
      x[i] = _Float16(std::ldexp(std::sin(i + 1.0f), i % 30 - 20)); // subnormal ones too
    for (int i = 0; i < 19; ++i) {
      b[i] = uint16_t(0x3f80 + 37 * i);
      uint32_t bits = uint32_t(b[i]) << 16;
      std::memcpy(&exact[i], &bits, 4);
    }
    k.run({x.data(), b.data(), y.data()});
    for (int i = 0; i < 38; ++i)
      EXPECT_EQ(float(y[i]), float(_Float16(relu(float(x[i])) + exact[i % 19]))) << i << " " << target;
  }
}
} // namespace
} // namespace tenon::test
