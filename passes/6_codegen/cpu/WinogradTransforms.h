// The transforms of F(m x m, 3 x 3) with the interpolation points 0, 1, -1 (2, -2) and infinity, on registers.
//
//   Y = At [sum over channels of (G g Gt) . (Bt d B)] A,   d: (m + 2)^2 inputs, g: 3 x 3 taps, Y: m x m outputs
#pragma once
#include "passes/6_codegen/cpu/KernelBuilder.h"

namespace tenon::cpu {

/// Bt d: m + 2 values from m + 2.
KernelBuilder::Values winogradInput(KernelBuilder &b, int64_t m, mlir::ValueRange d);
/// At x: m values from m + 2.
KernelBuilder::Values winogradOutput(KernelBuilder &b, int64_t m, mlir::ValueRange x);

/// G g of 16-bit integers: m + 2 values from 3, Winograd's G with its rows times 4, 6, 6, 24, 24, 1 for m = 4 and 1, 2, 2, 1 for m = 2. Both transforms
/// together make at most 7 * 7 * 128 of bytes.
KernelBuilder::Values winogradIntegerFilter(KernelBuilder &b, int64_t m, mlir::ValueRange g);
/// Bt d of 16-bit integers: of bytes both transforms together stay within 50 * 255.
KernelBuilder::Values winogradIntegerInput(KernelBuilder &b, int64_t m, mlir::ValueRange d);
/// At x modulo 2^32 for points that lack the divisors of G (winogradIntegerFilter). Output i comes out as `factor` * 2^winogradShifts(m)[i] times
/// itself, `factor` being 3 for m = 4 and 1 for m = 2.
KernelBuilder::Values winogradIntegerOutput(KernelBuilder &b, int64_t m, mlir::ValueRange x);
llvm::ArrayRef<int64_t> winogradShifts(int64_t m);

/// The same for stride 2. An output is a sum over two taps (0, 2) of the even inputs and one tap (1) of the odd ones: the former at the points 0, 1, -1, 2
/// and infinity, times 2, -2, -6, 6, 1, then the latter, which is the same at all of them.
KernelBuilder::Values winogradStridedFilter(KernelBuilder &b, mlir::ValueRange g);
/// The same for 4 outputs of stride 2 from 9 inputs: 5 points of the even inputs, then 4 of the odd ones, whose fifth is always 0. Of bytes both transforms
/// together stay within 18 * 255.
KernelBuilder::Values winogradStridedInput(KernelBuilder &b, mlir::ValueRange d);
/// From the 5 sums of points that even and odd inputs share. Outputs come out as 3 * 2 times themselves.
KernelBuilder::Values winogradStridedOutput(KernelBuilder &b, mlir::ValueRange x);

} // namespace tenon::cpu
