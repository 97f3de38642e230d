#pragma once
#include "passes/6_codegen/gpu/Families.h"

namespace tenon::gpu {

/// Top-k of rows that are not too long: each element counts those that come before it.
const KernelFamily &ranksFamily();

} // namespace tenon::gpu
