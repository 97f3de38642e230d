// softmax(scale * query key^T + mask) value, fused for a block of rows of one head.
#pragma once
#include "passes/6_codegen/cpu/KernelFamily.h"

namespace tenon::cpu {
const KernelFamily &attentionFamily();
} // namespace tenon::cpu
