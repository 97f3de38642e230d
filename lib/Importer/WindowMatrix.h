// Convolutions whose kernel, pads or groups have sizes that only the run knows: windows are gathered into the columns of a matrix.
#pragma once
#include "lib/Importer/Window.h"

namespace tenon::importer {

/// How a kernel moves over its input; pads may be negative, which crops.
struct FreeWindow {
  llvm::SmallVector<int64_t> strides, dilations;
  llvm::SmallVector<nn::Dim> low, high;
};

/// Reads strides, dilations, pads and auto_pad for a kernel of the sizes `kernel`. Failure is the node's.
std::optional<FreeWindow> readFreeWindow(Node &node, llvm::ArrayRef<nn::Dim> kernel);

/// The convolution of x [N, C, I...] and weights [K, C / groups, R...], with `bias` [K] or null; padded with zeros.
mlir::Value convolveAsMatrix(Node &node, mlir::Value x, mlir::Value weights, mlir::Value bias, const FreeWindow &window, nn::Dim groups);

/// The transposed convolution of x [N, C, I...] and weights [C, K / groups, R...]; `outputPadding` is added to the high end.
mlir::Value convolveTransposedAsMatrix(Node &node, mlir::Value x, mlir::Value weights, mlir::Value bias, const FreeWindow &window,
                                       llvm::ArrayRef<nn::Dim> outputPadding, nn::Dim groups);

} // namespace tenon::importer
