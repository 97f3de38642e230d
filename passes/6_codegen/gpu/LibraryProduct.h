// Products that cublasLt can compute as a whole: what it would be told, and the family whose one schedule parameter is the algorithm.
#pragma once
#include "passes/6_codegen/gpu/Libraries.h"

namespace tenon::gpu {

/// The call that computes `func`: a product, or a convolution of single pixels, of halves or f32, and at most a bias, a sum and an activation after
/// it. None where sizes are not constants, or memory lies otherwise. Of a half type the bias may still be f32: `wideBias`.
std::optional<plan::LibraryCall> productCall(kernel::FuncOp func);

const KernelFamily &cublasLtFamily();

} // namespace tenon::gpu
