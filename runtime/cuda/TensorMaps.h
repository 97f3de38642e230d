// Tensor maps: how the unit of sm_90 that copies tiles (TMA) sees a tensor.
#pragma once

#include "runtime/cuda/Driver.h"
#include "runtime/plan/PlanVerifier.h"

namespace tenon::cuda {

/// Encodes a verified map of the buffer at `buffer`.
tn_status encode(const Driver &driver, const plan::format::TensorMap &map, DevicePointer buffer, TensorMapObject *object, Message &message);

} // namespace tenon::cuda
