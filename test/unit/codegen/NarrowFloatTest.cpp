// Floats of 8 bits or fewer against LLVM's APFloat: every bit pattern, and every f16 number as a source.
#include "test/unit/codegen/KernelHarness.h"
#include "llvm/ADT/APFloat.h"
#include <cmath>
#include <gtest/gtest.h>

namespace tenon::test {
namespace {
using namespace mlir;
using llvm::APFloat;

struct Format {
  const char *type;
  const llvm::fltSemantics &semantics;
  int patterns;
};
const Format kFormats[] = {{"f8E4M3FN", APFloat::Float8E4M3FN(), 256},     {"f8E4M3FNUZ", APFloat::Float8E4M3FNUZ(), 256},
                           {"f8E5M2", APFloat::Float8E5M2(), 256},         {"f8E5M2FNUZ", APFloat::Float8E5M2FNUZ(), 256},
                           {"f8E8M0FNU", APFloat::Float8E8M0FNU(), 256},   {"f4E2M1FN", APFloat::Float4E2M1FN(), 16}};
const char *const kTargets[] = {"native", "x86-64"};

template <typename In, typename Out>
std::vector<Out> convert(std::vector<In> x, std::string from, std::string to, std::string attributes, const char *target) {
  std::string count = std::to_string(x.size()), in = "tensor<" + count + "x" + from + ">", out = "tensor<" + count + "x" + to + ">";
  KernelHarness k("kernel.func private @k(%x: " + in + ") -> " + out + " { %y = nn.cast %x {to = " + to + attributes + "} : " + in + " -> " + out +
                      "\n kernel.return %y : " + out + " }",
                  target);
  std::vector<Out> y(x.size());
  bool good = k.compile();
  EXPECT_TRUE(good) << k.message;
  if (good)
    k.run({x.data(), y.data()});
  return y;
}

float valueOf(const Format &f, unsigned bits) {
  APFloat value(f.semantics, llvm::APInt(APFloat::getSizeInBits(f.semantics), bits));
  if (value.isNaN())
    return NAN; // LLVM's conversion of a NaN without a fraction gives infinity
  bool lost;
  value.convert(APFloat::IEEEsingle(), APFloat::rmNearestTiesToEven, &lost);
  return value.convertToFloat();
}

bool same(float a, float b) { return std::isnan(a) ? std::isnan(b) : a == b && std::signbit(a) == std::signbit(b); }

TEST(NarrowFloat, EveryPatternHasItsValue) {
  for (const char *target : kTargets)
    for (const Format &f : kFormats) {
      std::vector<uint8_t> bits(f.patterns);
      for (int i = 0; i < f.patterns; ++i)
        bits[i] = i;
      std::vector<float> got = convert<uint8_t, float>(bits, f.type, "f32", "", target);
      for (int i = 0; i < f.patterns; ++i)
        EXPECT_TRUE(same(got[i], valueOf(f, i))) << f.type << " " << i << " gives " << got[i] << ", not " << valueOf(f, i);
    }
}

std::vector<float> halves() {
  std::vector<float> all;
  for (int bits = 0; bits < 65536; ++bits) {
    APFloat half(APFloat::IEEEhalf(), llvm::APInt(16, bits));
    all.push_back(half.convertToFloat());
  }
  return all;
}

/// What the nearest number of the format is; `saturate` keeps what is too large finite.
float rounded(const Format &f, float x, bool saturate) {
  APFloat value(x);
  bool lost;
  value.convert(f.semantics, APFloat::rmNearestTiesToEven, &lost);
  APFloat largest = APFloat::getLargest(f.semantics, std::signbit(x));
  float limit = largest.convertToFloat();
  if (saturate && !std::isnan(x) && (!value.isFinite() || std::abs(x) > std::abs(limit)))
    return limit;
  return value.convertToFloat();
}

TEST(NarrowFloat, RoundsToNearest) {
  const std::vector<float> x = halves();
  for (const char *target : kTargets)
    for (const Format &f : kFormats) {
      if (&f.semantics == &APFloat::Float8E8M0FNU() || f.patterns == 16)
        continue;
      for (bool saturate : {true, false}) {
        std::vector<uint8_t> got = convert<float, uint8_t>(x, "f32", f.type, saturate ? "" : ", saturate = false", target);
        for (size_t i = 0; i < x.size(); ++i)
          ASSERT_TRUE(same(valueOf(f, got[i]), rounded(f, x[i], saturate)))
              << f.type << (saturate ? " saturated " : " ") << x[i] << " gives " << valueOf(f, got[i]) << ", not " << rounded(f, x[i], saturate);
      }
    }
}

TEST(NarrowFloat, FourBitsRoundToTheirEightMagnitudes) {
  const std::vector<float> x = {0, -0.0f, 0.25f, 0.26f, 0.75f, 1.25f, 1.75f, 2.5f, -3.5f, 5, -5.1f, 100, -INFINITY, 3};
  const std::vector<float> want = {0, -0.0f, 0, 0.5f, 1, 1, 2, 2, -4, 4, -6, 6, -6, 3};
  for (const char *target : kTargets) {
    std::vector<uint8_t> got = convert<float, uint8_t>(x, "f32", "f4E2M1FN", "", target);
    for (size_t i = 0; i < x.size(); ++i)
      EXPECT_TRUE(same(valueOf(kFormats[5], got[i]), want[i])) << x[i] << " gives " << valueOf(kFormats[5], got[i]);
  }
}

TEST(NarrowFloat, ExponentsRoundAsAsked) {
  const std::vector<float> x = {1, 1.25f, 1.5f, 1.75f, 3, NAN, INFINITY, 0x1.8p127f, 0x1p-127f};
  auto exponents = [&](const char *attributes) { return convert<float, uint8_t>(x, "f32", "f8E8M0FNU", attributes, "native"); };
  EXPECT_EQ(exponents(", rounding = #nn.round_mode<up>"), (std::vector<uint8_t>{127, 128, 128, 128, 129, 255, 255, 254, 1}));
  EXPECT_EQ(exponents(", rounding = #nn.round_mode<down>"), (std::vector<uint8_t>{127, 127, 127, 127, 128, 255, 255, 254, 0}));
  EXPECT_EQ(exponents(", rounding = #nn.round_mode<nearest>"), (std::vector<uint8_t>{127, 127, 128, 128, 129, 255, 255, 254, 0}));
}

TEST(NarrowFloat, DoublesRoundOnce) {
  // Just above the middle between 1 and 1.125: rounded to f32 first it would be the middle, and go to the even neighbour below.
  std::vector<uint8_t> got = convert<double, uint8_t>({1.0625 + 0x1p-40, 1.0625, 1.0625 - 0x1p-40}, "f64", "f8E4M3FN", "", "native");
  EXPECT_EQ(got, (std::vector<uint8_t>{0x39, 0x38, 0x38}));
}

TEST(NarrowFloat, PartsOfABytePassThroughMemory) {
  const std::vector<float> x = {-8, -1, 0, 7, 3.9f, -3.9f, 100, -100};
  std::vector<uint8_t> bytes = convert<float, uint8_t>(x, "f32", "i4", "", "native");
  std::vector<float> back = convert<uint8_t, float>(bytes, "i4", "f32", "", "native");
  EXPECT_EQ(back, (std::vector<float>{-8, -1, 0, 7, 3, -3, 4, -4}));
}
} // namespace
} // namespace tenon::test
