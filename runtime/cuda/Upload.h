// Much memory of the host to a GPU.
#pragma once

#include "runtime/cuda/Driver.h"

namespace tenon::cuda {

/// Copies `bytes` to the device, whose context this is and is current; they are there when it returns. Much is copied by several threads: where
/// memory is not pinned, as a plan's weights in a mapped file, the driver copies it with one, at a quarter of what the bus carries.
Result copyToDevice(const Driver &driver, ContextHandle context, DevicePointer to, const uint8_t *from, size_t bytes);

} // namespace tenon::cuda
