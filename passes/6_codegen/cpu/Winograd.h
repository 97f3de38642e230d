// Winograd's minimal filtering F(2x2, 3x3) and F(4x4, 3x3): 3x3 convolutions of stride 1 with 4/9 or 1/4 of the multiplications.
#pragma once
#include "passes/6_codegen/cpu/KernelFamily.h"

namespace tenon::cpu {
const KernelFamily &winogradFamily();
} // namespace tenon::cpu
