// How much accuracy Winograd's transforms cost a filter: what guards their use.
#pragma once
#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/BuiltinOps.h"
#include <array>

namespace tenon::schedule {

/// Bounds of the rounding errors of F(2x2, 3x3) and F(4x4, 3x3) with this [K, C, 3, 3] f32 filter, relative to the range of the outputs;
/// none where the filter's elements are not known, NaN where they are not finite.
///
/// The inputs are taken to be uncorrelated and of one variance; the outputs' range is then at least three standard deviations of the
/// strongest output channel, 3 |g|: all of a thousand normally distributed outputs are smaller once in fifteen times. Roundings are taken to be independent (Higham and Mary, "A new approach to probabilistic rounding error
/// analysis", SIAM J. Sci. Comput. 41, 2019), so that the error at output (i, j) has the variance
///   u^2 n sum over points (p, q) of A[p,i]^2 A[q,j]^2 |Bt[p]|^2 |Bt[q]|^2 sum over channels of (G g Gt)[p,q]^2,
/// n being the roundings of a product's sum and of the transforms. The bound is six standard deviations of the worst channel and
/// position: the amplification of Barabasz, Anderson, Soodhalter and Gregg, "Error analysis and improving the accuracy of Winograd
/// convolution for deep neural networks", ACM TOMS 46, 2020, with the actual filter in place of its norm.
std::optional<std::array<double, 2>> winogradErrors(mlir::ElementsAttr filter);

/// Notes, as `kernel.winograd_errors` at filters of convolutions, the largest errors with any of the constants that dispatches pass.
void markWinogradErrors(mlir::ModuleOp module);

} // namespace tenon::schedule
