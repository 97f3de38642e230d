#pragma once
#include "passes/6_codegen/gpu/Families.h"

namespace tenon::gpu {

/// Top-k of long rows, or of many: a block for each row.
const KernelFamily &selectFamily();

} // namespace tenon::gpu
