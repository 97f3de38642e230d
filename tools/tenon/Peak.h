// What the processor can do at most: the roof that kernels are held against.
#pragma once
#include "tenon/runtime.h"

#include <map>

namespace tenon::driver {

/// What products are made of: f32 of the cores, or what a GPU's matrix units multiply, to sums of f32 or i32.
enum class Arithmetic { F32, F16, TF32, ThreeTF32, I8, F8 };
inline const char *arithmeticText(Arithmetic arithmetic) {
  constexpr const char *kTexts[] = {"f32", "half", "tf32", "3 x tf32", "i8", "e4m3"};
  return kTexts[int(arithmetic)];
}

struct Peak {
  std::map<Arithmetic, double> flops; ///< operations a second; a fused multiply-add is two. Absent: the processor has none of that
  double bytes = 0;                   ///< read from memory a second

  double flopsOf(Arithmetic arithmetic) const {
    auto found = flops.find(arithmetic);
    return found == flops.end() ? 0 : found->second;
  }
};

/// Measures for about 0.1 s what `threads` threads reach together, with the widest vectors that this processor has.
Peak measurePeak(uint32_t threads);

/// What a GPU's cores and matrix units reach, and its memory, at their highest clocks.
Peak peakOf(const tn_device_info &gpu);

} // namespace tenon::driver
