// Convolutions that cuDNN can compute as a whole: what it would be told, and the family whose one schedule parameter is the engine to begin with.
#pragma once
#include "passes/6_codegen/gpu/Libraries.h"

namespace tenon::gpu {

/// The call that computes `func`: a convolution of two axes of space in one group, of a half type or in tf32, and at most a bias, a sum and an
/// activation after it. None where sizes are not constants, channels do not fill accesses, or memory lies otherwise. Filters are packed with their
/// channels last.
std::optional<plan::LibraryCall> convolutionCall(kernel::FuncOp func);

const KernelFamily &cudnnFamily();

} // namespace tenon::gpu
