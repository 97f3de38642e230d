#pragma once
#include "passes/6_codegen/gpu/Families.h"

namespace tenon::gpu {

/// Non-maximum suppression: a block for each class of each image.
const KernelFamily &suppressFamily();

} // namespace tenon::gpu
