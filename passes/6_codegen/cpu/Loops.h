// The general road: every kernel whose results can be computed element by element.
#pragma once
#include "passes/6_codegen/cpu/KernelFamily.h"

namespace tenon::cpu {

/// Whether the general road computes `func`; what fusion asks before it forms a kernel that no other family takes. It does not
/// where an op is unknown, or where a reduction would be computed again for every element of another one: such bodies
/// must be split.
bool canCompute(kernel::FuncOp func);

/// The general road; it comes last in `families()`. Schedule: `tasks` at most.
const KernelFamily &loopsFamily();

} // namespace tenon::cpu
