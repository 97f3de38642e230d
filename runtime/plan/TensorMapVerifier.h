// Checks the tensor maps of a plan's kernels.
#pragma once

#include "runtime/plan/PlanVerifier.h"

namespace tenon::plan {

inline constexpr uint32_t kMostTensorMaps = 4; ///< of a kernel

/// What is wrong with a map of a kernel that has so many arguments and results; null: nothing.
const char *problemOf(const format::TensorMap &map, uint32_t buffers);

} // namespace tenon::plan
