#pragma once
#include "passes/6_codegen/gpu/Families.h"

namespace tenon::gpu {

/// The first convolution of a network, from an image of few channels, in a half type.
const KernelFamily &stemFamily();

} // namespace tenon::gpu
