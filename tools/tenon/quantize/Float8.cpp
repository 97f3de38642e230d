#include "tools/tenon/quantize/Float8.h"

#include <algorithm>
#include <cmath>

namespace tenon::driver {
namespace {

constexpr int kMantissaBits = 3, kSmallestExponent = -6; // of normal numbers

/// Neighbours of a number are 2^(this - 3) apart.
int exponentOf(float value) { return value == 0 ? kSmallestExponent : std::max(std::ilogb(value), kSmallestExponent); }

} // namespace

float roundedToFloat8(float value) {
  float within = std::clamp(value, -kLargestFloat8, kLargestFloat8);
  float step = std::ldexp(1.0f, exponentOf(within) - kMantissaBits);
  return std::nearbyint(within / step) * step;
}

uint8_t float8Bits(float value) {
  constexpr int kMantissas = 1 << kMantissaBits;
  int exponent = exponentOf(value), steps = int(std::abs(value) / std::ldexp(1.0f, exponent - kMantissaBits)); // normal numbers have 8 to 15
  // Below the normal numbers the exponent's bits are 0 and the leading one is not implied.
  int bits = steps < kMantissas ? steps : (exponent - kSmallestExponent + 1) * kMantissas + steps - kMantissas;
  return uint8_t(bits | (std::signbit(value) ? 0x80 : 0));
}

} // namespace tenon::driver
