// Products that cublasLt can compute as a whole: what it would be told, and the family whose one schedule parameter is the algorithm.
#pragma once
#include "lib/Plan/LibraryCall.h"
#include "passes/6_codegen/gpu/Families.h"

namespace tenon::gpu {

/// The call that computes `func`: a product, or a convolution of single pixels, of halves or f32, and at most a bias, a sum and an activation after it. None where
/// sizes are not constants, or memory lies otherwise. Of a half type the bias may still be f32: `roundedBias`.
std::optional<plan::LibraryCall> productCall(kernel::FuncOp func);
/// A constant bias in f32 of a kernel in a half type, which cublasLt wants in that type.
std::optional<unsigned> wideBias(kernel::FuncOp func);

const KernelFamily &cublasLtFamily();

/// Whether a family is a library's, which is taken only where it is asked for.
bool isLibrary(const KernelFamily &family);
/// Whether a schedule has a library compute its kernel.
bool isOfLibrary(kernel::ScheduleAttr schedule);
/// The call of a kernel whose schedule says so, once its memory is planned.
std::optional<plan::LibraryCall> libraryCallOf(kernel::FuncOp func);
/// The library family that computes `func`, of those that code for `target` may call; null where none does.
const KernelFamily *libraryFamilyFor(kernel::FuncOp func, const Target &target);

} // namespace tenon::gpu
