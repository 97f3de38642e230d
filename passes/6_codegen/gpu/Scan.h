#pragma once
#include "passes/6_codegen/gpu/Families.h"

namespace tenon::gpu {

/// Running sums and products, and the coordinates of elements that are not zero: a block for each line, whose threads have their parts of it at once.
const KernelFamily &scanFamily();

} // namespace tenon::gpu
