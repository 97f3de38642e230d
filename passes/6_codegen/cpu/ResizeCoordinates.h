// Where an element of a resized axis lies in the input: ONNX Resize's coordinate modes, in f32.
#pragma once
#include "passes/6_codegen/cpu/KernelBuilder.h"

namespace tenon::cpu {

struct ResizeAxis {
  unsigned axis;
  Index input, output; // sizes
};

/// Whether the axis keeps its size and is copied.
bool isCopiedAxis(nn::ResizeOp op, unsigned axis);
/// result size / input size as the coordinates use it: the attribute, or the quotient of the sizes.
mlir::Value resizeScale(KernelBuilder &b, nn::ResizeOp op, const ResizeAxis &axis);
/// The input coordinate (f32) of element `i` of the result.
mlir::Value inputCoordinate(KernelBuilder &b, nn::ResizeOp op, const ResizeAxis &axis, mlir::Value scale, Index i);
/// The element that nearest-neighbour resize takes at input coordinate `x`, within the axis.
Index nearestIndex(KernelBuilder &b, nn::ResizeOp op, mlir::Value x, Index input);

/// value = low * (1 - fraction) + high * fraction.
struct LinearTaps {
  Index low, high;
  mlir::Value fraction; // f32
};
LinearTaps linearTaps(KernelBuilder &b, mlir::Value x, Index input);

} // namespace tenon::cpu
