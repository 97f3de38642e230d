// Matrix products and channels-last convolutions around one register-tiled loop nest.
#pragma once
#include "passes/6_codegen/cpu/KernelFamily.h"

namespace tenon::cpu {
const KernelFamily &contractionFamily();
} // namespace tenon::cpu
