// The geometry that convolutions and pooling share: kernel, strides, dilations, pads.
#pragma once
#include "lib/Importer/Node.h"

namespace tenon::importer {

struct Window {
  llvm::SmallVector<int64_t> size, strides, dilations;
  llvm::SmallVector<int64_t> pads; // all low pads, then all high ones
};

/// Reads strides, dilations and pads for a window of `size`, and checks them. Failure is the node's.
std::optional<Window> readWindow(Node &node, llvm::ArrayRef<int64_t> size);

/// Resolves auto_pad into `window.pads` and returns what the window slides over: the node's first input or, where pads
/// depend on a free dimension, that input with the pads of `fill` (null: zeros) around it. Null after a failure.
mlir::Value applyAutoPad(Node &node, Window &window, llvm::function_ref<mlir::Value()> fill);

/// The sizes of the spatial axes of weights [K, C, R...], which are input `weight`: those of kernel_shape, where it is given. None after a report.
std::optional<llvm::SmallVector<nn::Dim>> kernelSize(Node &node, size_t weight);
/// The same where they are constants; none otherwise.
std::optional<llvm::SmallVector<int64_t>> constantSizes(llvm::ArrayRef<nn::Dim> sizes);
/// The attribute group, at least 1; reported otherwise.
nn::Dim groupsOf(Node &node);

} // namespace tenon::importer
