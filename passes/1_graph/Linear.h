// Convolutions and matrix products seen alike: a linear map whose result has channels along one axis.
#pragma once
#include "passes/1_graph/Match.h"

namespace tenon::graph {

/// A conv, conv_transpose or matmul on floats; `op` is null where the value is something else.
struct Linear {
  mlir::Operation *op = nullptr;
  mlir::Value weight, bias; // bias may be null
  int64_t channelAxis = 0;  // of the result
  nn::Dim channels;

  explicit operator bool() const { return op != nullptr; }
  mlir::Value result() const { return op->getResult(0); }
};
Linear linearOf(mlir::Value value);

/// A constant that is a scalar or lies along `axis` of a tensor of rank `rank`, as a vector [1] or [n]; else null.
mlir::Value vectorAlong(mlir::OpBuilder &builder, mlir::Value constant, int64_t axis, int64_t rank);
/// weight * scale along the output channels, spelt as nn ops. `scale` is [1] or [channels].
mlir::Value scaledWeight(mlir::OpBuilder &builder, mlir::Location loc, const Linear &linear, mlir::Value scale);
/// bias + shift, or `shift` alone, as a vector of all channels. `shift` is [1] or [channels].
mlir::Value shiftedBias(mlir::OpBuilder &builder, mlir::Location loc, const Linear &linear, mlir::Value bias, mlir::Value shift);
/// The same op with other weights and bias (null: none) before `linear.op`.
mlir::Value rebuild(mlir::OpBuilder &builder, mlir::Location loc, const Linear &linear, mlir::Value weight, mlir::Value bias);

} // namespace tenon::graph
