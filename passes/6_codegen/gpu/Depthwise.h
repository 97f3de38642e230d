// Depthwise convolution of channels-last images.
#pragma once
#include "passes/6_codegen/gpu/Families.h"

namespace tenon::gpu {

const KernelFamily &depthwiseFamily();

} // namespace tenon::gpu
