// What packing makes of a constant, beyond its layout.
#pragma once
#include "dialects/kernel/Kernel.h"

namespace tenon::kernel {

/// The elements of what `packing` makes of a tensor of `element`: Winograd's transform makes 16 bits of bytes, any other one changes nothing.
mlir::Type packedElement(PackingAttr packing, mlir::Type element);

/// Winograd's G as integers, for bytes: its rows times 4, 6, 6, 24, 24, 1 for m = 4 and 1, 2, 2, 1 for m = 2. What a filter of bytes becomes is at most
/// 7 * 7 * 128 and fits 16 bits.
llvm::ArrayRef<std::array<double, 3>> winogradIntegerMatrix(int64_t m);

} // namespace tenon::kernel
