// What packing makes of a constant, beyond its layout.
#pragma once
#include "dialects/kernel/Kernel.h"

namespace tenon::kernel {

/// The elements of what `packing` makes of a tensor of `element`: Winograd's transform makes 16 bits of bytes, any other one changes nothing.
mlir::Type packedElement(PackingAttr packing, mlir::Type element);

/// The `winograd` of packings for F(4x4) of stride 2, of bytes alone.
constexpr int64_t kStridedWinograd = 8;
/// Points along an axis of a transformed filter.
int64_t winogradPoints(int64_t winograd);

/// Winograd's G as integers, for bytes: its rows times 4, 6, 6, 24, 24, 1 for m = 4 and 1, 2, 2, 1 for m = 2. What a filter of bytes becomes is at most
/// 7 * 7 * 128 and fits 16 bits.
/// With stride 2 an output is a sum over two taps (0, 2) of the even inputs and one tap (1) of the odd ones: the former at the points 0, 1, -1, 2 and
/// infinity, times 2, -2, -6, 6, 1, then the latter, which is the same at all of them.
llvm::ArrayRef<std::array<double, 3>> winogradIntegerMatrix(int64_t m);

} // namespace tenon::kernel
