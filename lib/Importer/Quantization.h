// Quantized arithmetic as ONNX defines it: exact integers, scaled and rounded at the end.
#pragma once
#include "lib/Importer/Node.h"

namespace tenon::importer {

/// (x - zero point) * scale in f32; a null zero point is 0.
mlir::Value dequantized(Node &node, mlir::Value x, mlir::Value scale, mlir::Value zeroPoint);
/// saturate(round(scaled) + zero point) as `type`; of a float type just the conversion.
mlir::Value quantized(Node &node, mlir::Value scaled, mlir::Value zeroPoint, mlir::Type type);
/// x - zero point in i32, exactly.
mlir::Value centred(Node &node, mlir::Value x, mlir::Value zeroPoint);
/// A scale or zero point of one number or none: as a scalar, null if it is missing; otherwise [C] as [C, 1 ...] with `trailing` ones.
mlir::Value parameter(Node &node, size_t input, int64_t trailing);

} // namespace tenon::importer
