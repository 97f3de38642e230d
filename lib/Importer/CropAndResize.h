// Resize of a region that only the run knows.
#pragma once
#include "lib/Importer/Node.h"

namespace tenon::importer {

/// A region of x (input 0): along `axes[i]` it lasts from entry i of `roi` to entry axes.size() + i, as fractions of what is between the
/// first element and the last one. It is resized to `sizes` (one an axis of x); what lies outside of x is `extrapolation`. Only linear and
/// nearest interpolation: `nearest` is null for linear.
mlir::Value cropAndResize(Node &node, mlir::Value roi, llvm::ArrayRef<int64_t> axes, llvm::ArrayRef<nn::Dim> sizes, nn::NearestModeAttr nearest,
                          double extrapolation);

} // namespace tenon::importer
