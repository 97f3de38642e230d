// Transposes through registers: elementwise kernels that read along another axis than they write.
#pragma once
#include "passes/6_codegen/cpu/KernelFamily.h"

namespace tenon::cpu {

/// Elementwise kernels with an operand that is contiguous along another axis than the result (nn.transpose on its own, or with
/// arithmetic around it). Schedule: `tasks` at most.
const KernelFamily &transposeFamily();

} // namespace tenon::cpu
