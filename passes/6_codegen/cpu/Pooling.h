// Max and average pooling, channels last: a few pixels of one row times one vector of channels, windows unrolled.
#pragma once
#include "passes/6_codegen/cpu/KernelFamily.h"

namespace tenon::cpu {

/// nn.pool over one or two spatial axes, and what hangs below it.
/// Schedule: `pixels` of one step, `unroll_rows` of the window, `tasks` at most.
const KernelFamily &poolingFamily();

} // namespace tenon::cpu
