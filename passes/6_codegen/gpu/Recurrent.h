#pragma once
#include "passes/6_codegen/gpu/Families.h"

namespace tenon::gpu {

/// Recurrent layers in f32 whose states fit into shared memory, from the first step to the last: a cluster of blocks for each direction and one or a
/// few elements of the batch.
const KernelFamily &recurrentFamily();

} // namespace tenon::gpu
