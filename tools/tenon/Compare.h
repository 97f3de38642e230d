// Comparing outputs with expected ones.
#pragma once
#include "tools/tenon/HostTensor.h"

#include <optional>
#include <string>

namespace tenon::driver {

/// max |a - b| <= rtol * max |b| + atol over a tensor; where `rtol` is not set, 1e-2 for 16-bit floats and 2e-4 for wider ones.
/// NaN equals NaN and an infinity itself, at the same place. Integers and booleans must be equal.
struct Tolerance {
  std::optional<double> rtol;
  double atol = 0;
};

struct Comparison {
  bool equal = false;
  std::string problem; ///< what does not fit at all: types, shapes; "" if the values could be compared
  double largestError = 0;
  double largestExpected = 0; ///< max |b| over finite values
  double allowed = 0;
  int64_t worstIndex = -1; ///< where the largest error is, as a flat index
};

Comparison compare(const tn_tensor &actual, const HostTensor &expected, const Tolerance &tolerance);

} // namespace tenon::driver
