// What the processor can do at most: the roof that kernels are held against.
#pragma once
#include "tenon/runtime.h"

namespace tenon::driver {

struct Peak {
  double flops = 0; ///< single-precision operations a second; a fused multiply-add is two
  double bytes = 0; ///< bytes read from memory a second
};

/// Measures for about 0.1 s what `threads` threads reach together, with the widest vectors that this processor has.
Peak measurePeak(uint32_t threads);

/// What a GPU's matrix units reach with f16 operands and f32 sums, and its memory, at their highest clocks.
Peak peakOf(const tn_device_info &gpu);

} // namespace tenon::driver
