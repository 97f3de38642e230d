// Quantized arithmetic as ONNX defines it: exact integers, scaled and rounded at the end.
#pragma once
#include "lib/Importer/GraphImporter.h"
#include "lib/Importer/Node.h"

namespace tenon::importer {

/// (x - zero point) * scale in f32; a null zero point is 0.
mlir::Value dequantized(Node &node, mlir::Value x, mlir::Value scale, mlir::Value zeroPoint);
/// saturate(round(scaled) + zero point) as `type`; of a float type just the conversion.
mlir::Value quantized(Node &node, mlir::Value scaled, mlir::Value zeroPoint, mlir::Type type);
/// x - zero point in i32, exactly.
mlir::Value centred(Node &node, mlir::Value x, mlir::Value zeroPoint);
/// A scale or zero point of one number or none, reported where it is a scale that is not usable: as a scalar, null if it is missing; otherwise [C] as [C, 1 ...] with `trailing` ones.
mlir::Value parameter(Node &node, size_t input, int64_t trailing);

/// What a scale does: dequantization multiplies by it (0 makes zeros, as for channels of nothing else), quantization divides by it. Zero points of floats are 0.
enum class ScaleUse { Factor, Divisor, ZeroPoint };
/// Whether the scales of a constant input are finite and not negative; of divisors also normal numbers above 0, whose inverse is one; and zero points that are
/// floats are 0. Otherwise a report. Bounds and multipliers are folded for such scales alone.
bool scalesAreUsable(Node &node, size_t input, ScaleUse use);

/// Whether a zero point is missing, or has elements of the type of the input that it belongs to; a report otherwise.
bool zeroPointHasTypeOf(Node &node, size_t zeroPoint, size_t input);

/// Says of a result of DequantizeLinear what it was made of.
void rememberDequantized(Node &node, mlir::Value result, Dequantized parts);

/// The operands of a convolution or product (inputs 0 and 1) that were both bytes.
struct QuantizedOperands {
  Dequantized x, w;

  /// None unless x has one scale, and the constant weights one, or one for each entry of their axis `weightAxis`.
  static std::optional<QuantizedOperands> of(Node &node, int64_t weightAxis);
  mlir::Value left(Node &node) const;  // less their zero points, in i32
  mlir::Value right(Node &node) const;
  /// Sums of products as the numbers they stand for, plus a bias of one entry a result, which has `trailing` axes behind it.
  mlir::Value scaled(Node &node, mlir::Value sums, mlir::Value bias, int64_t trailing) const;
};

} // namespace tenon::importer
