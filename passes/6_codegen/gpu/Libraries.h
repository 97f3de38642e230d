// Kernels that NVIDIA's libraries compute, where the target may call them.
#pragma once
#include "lib/Plan/LibraryCall.h"
#include "passes/6_codegen/gpu/Families.h"

namespace tenon::gpu {

/// The parameter of their schedules: a number in the list that a library proposes.
inline constexpr llvm::StringLiteral kAlgorithmParameter = "algorithm";

/// Whether a family is a library's, which is taken only where it is asked for.
bool isLibrary(const KernelFamily &family);
/// Whether a schedule has a library compute its kernel.
bool isOfLibrary(kernel::ScheduleAttr schedule);
/// The call of a kernel whose schedule says so, once its memory is planned.
std::optional<plan::LibraryCall> libraryCallOf(kernel::FuncOp func);
/// A constant bias in f32 of such a kernel in a half type: libraries want it in that type.
std::optional<unsigned> wideBias(kernel::FuncOp func);
/// The families that compute `func`, of libraries that code for `target` may call: what takes less to start comes first.
llvm::SmallVector<const KernelFamily *> libraryFamiliesFor(kernel::FuncOp func, const Target &target);

} // namespace tenon::gpu
