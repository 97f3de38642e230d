#pragma once
#include "passes/6_codegen/gpu/Families.h"

namespace tenon::gpu {

/// An LSTM in f32: a block for each direction and element of the batch, from the first step to the last.
const KernelFamily &recurrentFamily();

} // namespace tenon::gpu
