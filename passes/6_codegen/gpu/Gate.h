#pragma once
#include "passes/6_codegen/gpu/Families.h"

namespace tenon::gpu {

/// Two products of one row with an activation between them, in a half type: the gate of squeeze-and-excitation.
const KernelFamily &gateFamily();

} // namespace tenon::gpu
