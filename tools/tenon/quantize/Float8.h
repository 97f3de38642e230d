// Floats of 8 bits (e4m3): a sign, 4 bits of exponent, 3 of mantissa, up to 448; no infinities.
#pragma once
#include <cstdint>

namespace tenon::driver {

constexpr float kLargestFloat8 = 448;

/// The nearest one, ties to even; what is beyond the largest becomes the largest.
float roundedToFloat8(float value);
/// The bits of a number that is one.
uint8_t float8Bits(float value);

} // namespace tenon::driver
