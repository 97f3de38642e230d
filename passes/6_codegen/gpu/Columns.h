// Reductions along axes other than the last: global pooling of channels-last images.
#pragma once
#include "passes/6_codegen/gpu/Families.h"

namespace tenon::gpu {

const KernelFamily &columnsFamily();

} // namespace tenon::gpu
