// Linear attention: a state of outer products for each head, a block of its columns in the vectors of one task.
#pragma once
#include "passes/6_codegen/cpu/KernelFamily.h"

namespace tenon::cpu {
const KernelFamily &linearAttentionFamily();
} // namespace tenon::cpu
