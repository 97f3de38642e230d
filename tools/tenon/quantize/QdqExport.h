// Quantized models of every form as ONNX's QuantizeLinear and DequantizeLinear around float operators, which any runtime reads.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace tenon::driver {

struct ExportedModel {
  std::string model; // ONNX
  size_t rewritten = 0;
  int64_t opset = 0;
};

/// Writes operators on bytes (QLinearConv, com.microsoft's QLinearAdd, ...) as float operators between such nodes, MatMulNBits with weights that are dequantized in blocks, and
/// com.microsoft's QuantizeLinear and DequantizeLinear as ONNX's own; raises older models to the opset that has them. What ONNX computes on integers (ConvInteger,
/// MatMulInteger, behind DynamicQuantizeLinear) stays. Throws Failure, naming `path` and the node, where an operator has no such form or the model is not quantized.
ExportedModel exportQdq(std::span<const std::byte> bytes, const std::string &path);

} // namespace tenon::driver
