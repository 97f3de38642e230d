// Depthwise convolution, channels last: a few pixels of one row times one vector of channels, taps unrolled.
#pragma once
#include "passes/6_codegen/cpu/KernelFamily.h"

namespace tenon::cpu {

/// nn.conv with groups = input channels = output channels over one or two spatial axes, and what hangs below it.
/// Schedule: `pixels` of one step, `unroll_rows` of the window, `tasks` at most.
const KernelFamily &depthwiseFamily();

} // namespace tenon::cpu
