#pragma once
#include "passes/6_codegen/gpu/Families.h"

namespace tenon::gpu {

/// Maxima of small windows, channels last.
const KernelFamily &poolFamily();

} // namespace tenon::gpu
