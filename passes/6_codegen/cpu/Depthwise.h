// Depthwise convolution, channels last: a few pixels of one row times one vector of channels, taps unrolled.
#pragma once
#include "passes/6_codegen/cpu/KernelBuilder.h"

namespace tenon::cpu {

/// nn.conv with groups = input channels = output channels over one or two spatial axes, and what hangs below it.
/// Schedule: `pixels` of one step, `unroll_rows` of the window, `tasks` at most.
const KernelFamily &depthwiseFamily();

/// The kernel's only convolution, if it is such a one, of arguments; null otherwise.
nn::ConvOp depthwiseOf(kernel::FuncOp func);

/// The layout that a constant filter [C, 1, R...] is read in: [R..., 1, C].
kernel::PackingAttr depthwisePacking(mlir::RankedTensorType filter);

/// What a filter reads: an argument of floats, or bytes less their zero point, which is subtracted where they are read. CPUs widen factors of bf16 as bytes.
struct FilterInput {
  mlir::Value memory;
  bool isBytes = false, isUnsigned = false;
  double zeroPoint = 0;

  static FilterInput of(mlir::Value input);
};

/// Reads a depthwise convolution's filter, packed or not, and its bias, in vectors of channels from `c` on, in the computation type.
class DepthwiseParameters {
public:
  DepthwiseParameters(KernelBuilder &b, nn::ConvOp conv);
  mlir::Value weight(Index row, Index column, Index c, mlir::Value mask);
  mlir::Value bias(Index c, mlir::Value mask); // zeros where there is none

private:
  mlir::Value read(const Tensor &t, Index offset, Index stride, mlir::Value mask);

  KernelBuilder &b;
  bool packed = false;
  int spatial, lanes;
  Tensor filter;
  std::optional<Tensor> biases;
};

/// Pixels of one step that the registers hold best, beside `widest` taps in a row.
int64_t depthwisePixels(const Target &target, int64_t widest, int64_t stride);

} // namespace tenon::cpu
