// How much accuracy a level of Strassen's multiplication costs: what guards its use.
#pragma once
#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/BuiltinOps.h"

namespace tenon::schedule {

/// A bound of the rounding errors of one Strassen level in Winograd's form with these f32 weights of depth k, relative to the range of the
/// outputs; none where the elements are not known, NaN where they are not finite.
///
/// As for winogradErrors, inputs are taken to be uncorrelated and of one variance, roundings to be independent, and the range of the outputs to
/// be three standard deviations of the strongest column b, 3 |b|. The sums of quarters that the worst output adds up,
///   A11 B11 + S2 T2 + S3 T3 + S1 T1 (see StrassenSchedule.h),
/// have variances of at most 1, 3, 2 and 2 of an input and norms of at most 1, 3, 2 and 2 |b|, whatever columns are paired: their error is
/// sqrt(1 + 3 * 9 + 2 * 4 + 2 * 4) = sqrt(44) times that of a plain sum over half of the depth. The bound is six standard deviations.
std::optional<double> strassenError(mlir::ElementsAttr weights, int64_t depth);

/// Notes, as `kernel.strassen_error` at the right operands of products, the largest error with any of the constants that dispatches pass.
void markStrassenErrors(mlir::ModuleOp module);

} // namespace tenon::schedule
