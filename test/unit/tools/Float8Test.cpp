#include "tools/tenon/quantize/Float8.h"

#include <cmath>
#include <gtest/gtest.h>
#include <random>

namespace tenon::driver {
namespace {

/// What the bits stand for, as the format is defined.
float valueOf(uint8_t bits) {
  int exponent = bits >> 3 & 15, mantissa = bits & 7;
  float magnitude = exponent ? std::ldexp(1 + float(mantissa) / 8, exponent - 7) : std::ldexp(float(mantissa) / 8, -6);
  return bits & 0x80 ? -magnitude : magnitude;
}

bool isNan(uint8_t bits) { return (bits & 0x7f) == 0x7f; }

TEST(Float8, EveryNumberStaysWhatItIs) {
  for (int bits = 0; bits < 256; bits++) {
    if (isNan(uint8_t(bits)))
      continue;
    float value = valueOf(uint8_t(bits));
    EXPECT_EQ(roundedToFloat8(value), value) << bits;
    EXPECT_EQ(float8Bits(value), bits) << value;
  }
}

TEST(Float8, OthersBecomeTheNearestOne) {
  std::mt19937 random(1);
  std::uniform_real_distribution<float> exponents(-12, 9), signs(-1, 1);
  for (int i = 0; i < 20000; i++) {
    float value = std::copysign(std::exp2(exponents(random)), signs(random)), rounded = roundedToFloat8(value), least = INFINITY;
    for (int bits = 0; bits < 256; bits++)
      if (!isNan(uint8_t(bits)))
        least = std::min(least, std::abs(valueOf(uint8_t(bits)) - value));
    ASSERT_EQ(std::abs(rounded - value), least) << value;
    ASSERT_EQ(valueOf(float8Bits(rounded)), rounded) << value;
  }
}

TEST(Float8, HalfwayGoesToTheEvenOneAndTheEndsHold) {
  EXPECT_EQ(roundedToFloat8(17), 16);
  EXPECT_EQ(roundedToFloat8(19), 20);
  EXPECT_EQ(roundedToFloat8(-17), -16);
  EXPECT_EQ(roundedToFloat8(0x1p-10f), 0) << "halfway between 0 and the smallest number";
  EXPECT_EQ(roundedToFloat8(0x3p-10f), 0x1p-8f);
  EXPECT_EQ(roundedToFloat8(500), 448);
  EXPECT_EQ(roundedToFloat8(-INFINITY), -448);
}

} // namespace
} // namespace tenon::driver
