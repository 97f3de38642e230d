// Winograd's minimal filtering of bytes in integers: 3x3 convolutions of stride 1 or 2, exact.
//
// All arithmetic is modulo 2^32. The transforms of the filter and of the outputs are Winograd's times small integers, so that everything stays an integer:
// an output comes out as 9 * 2^e (F(4x4)) or 2^e (F(2x2)) times its sum. Multiplied by the inverse of 9 modulo 2^32 and shifted right by e it is the sum itself
// as long as the sum fits 32 - e bits: what `kernel.largest_sum` shows of the actual filter.
//
// With stride 2 even and odd inputs are two images of stride 1, of two taps and of one: F(4, 2) of the even ones has 5 points, of which the odd ones share 4.
// In two dimensions 81 products make the 25 points of 16 outputs, which take 144 without.
#pragma once
#include "passes/6_codegen/cpu/KernelFamily.h"

namespace tenon::cpu {
const KernelFamily &winogradBytesFamily();
} // namespace tenon::cpu
