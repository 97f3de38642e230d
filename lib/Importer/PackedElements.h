// Elements of less than a byte: packed in the memory of callers and files, one byte each inside a plan.
#pragma once
#include "dialects/nn/NN.h"
#include "mlir/IR/Builders.h"

namespace tenon::importer {

/// Whether callers pack several elements of the type into a byte; booleans take a byte each.
bool isPacked(mlir::Type element);
/// The bytes that a packed tensor has: tensor<5xi4> is tensor<3xui8>.
mlir::RankedTensorType bytesOf(mlir::RankedTensorType packed);
/// The elements of `type` from those bytes, and back. The first element has the lowest bits.
mlir::Value unpack(mlir::OpBuilder &builder, mlir::Location location, mlir::Value bytes, mlir::RankedTensorType type);
mlir::Value pack(mlir::OpBuilder &builder, mlir::Location location, mlir::Value elements);

} // namespace tenon::importer
