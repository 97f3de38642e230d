// What the processor can do at most, measured: the roof that kernels are held against.
#pragma once
#include <cstdint>

namespace tenon::driver {

struct Peak {
  double flops = 0; ///< single-precision operations a second; a fused multiply-add is two
  double bytes = 0; ///< bytes read from memory a second
};

/// Measures for about 0.1 s what `threads` threads reach together, with the widest vectors that this processor has.
Peak measurePeak(uint32_t threads);

} // namespace tenon::driver
