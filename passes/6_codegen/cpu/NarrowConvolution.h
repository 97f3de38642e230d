// Convolutions with fewer output channels than half of a vector has lanes: vectors lie along the taps and input channels of a row.
#pragma once
#include "passes/6_codegen/cpu/KernelFamily.h"

namespace tenon::cpu {

/// nn.conv, channels last, over one or two spatial axes, with what hangs below it, where that is cheaper than a contraction whose vectors of output
/// channels are mostly empty. Schedule: `pixels` of one step, `tasks` at most.
const KernelFamily &narrowConvolutionFamily();

} // namespace tenon::cpu
