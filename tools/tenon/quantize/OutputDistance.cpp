#include "tools/tenon/quantize/OutputDistance.h"

#include <algorithm>
#include <cmath>
#include <cstdint>

namespace tenon::driver {

OutputDistance distanceBetween(const tn_tensor &expected, const tn_tensor &found) {
  constexpr OutputDistance kFarthest{0, INFINITY};
  if (found.dtype != TN_F32 || found.rank != expected.rank || !std::equal(expected.dims, expected.dims + expected.rank, found.dims))
    return kFarthest;
  size_t count = 1;
  for (int i = 0; i < expected.rank; i++)
    count *= size_t(expected.dims[i]);
  auto *a = static_cast<const float *>(expected.data), *b = static_cast<const float *>(found.data);
  double aa = 0, bb = 0, ab = 0, difference = 0;
  for (size_t i = 0; i < count; i++) {
    double x = a[i], y = b[i];
    aa += x * x, bb += y * y, ab += x * y, difference += (x - y) * (x - y);
  }
  if (!std::isfinite(aa) || !std::isfinite(bb))
    return kFarthest;
  if (difference == 0)
    return {};
  if (aa == 0 || bb == 0)
    return {0, aa == 0 ? INFINITY : 1.0};
  return {ab / std::sqrt(aa * bb), std::sqrt(difference / aa)};
}

} // namespace tenon::driver
