// An ONNX model as quantization sees it: layers with constant weights, the tensors between them, and the same model with Q/DQ nodes.
#pragma once
#include "tools/tenon/quantize/Range.h"

#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace onnx {
class ModelProto;
class NodeProto;
class TensorProto;
} // namespace onnx

namespace tenon::driver {

/// A convolution or product whose weights are known.
struct QuantizableLayer {
  int node;             // of the graph
  std::string input, weight, bias; // bias: "" where it has none that is known
  int64_t axis;         // of the weight, along which each slice gets a scale
};

class QuantizableModel {
public:
  /// Throws Failure where the bytes are no model, hold nothing to quantize, or are quantized already; `path` is for messages.
  QuantizableModel(std::span<const std::byte> bytes, const std::string &path);
  ~QuantizableModel();

  const std::vector<QuantizableLayer> &layers() const { return found; }
  /// Names of the tensors to be quantized, in the order of the graph: inputs of layers, and what is only moved or added on the way to them.
  const std::vector<std::string> &tensors() const { return names; }
  /// Those of them that the graph computes; others are its inputs.
  std::vector<std::string> computedTensors() const;
  /// The model with all computed tensors among its outputs, behind its own ones.
  std::string observed() const;
  /// The model with QuantizeLinear and DequantizeLinear around every tensor, signed 8-bit weights with a scale for each channel, and 32-bit biases.
  std::string quantized(const std::map<std::string, Steps> &steps) const;

private:
  void findLayers();
  void findTensors();
  void refuseQuantized() const;
  const onnx::TensorProto *floats(const std::string &name) const;

  std::string path;
  std::unique_ptr<onnx::ModelProto> model;
  std::map<std::string, const onnx::TensorProto *> constants; // initializers and Constant nodes
  std::map<std::string, int> producers;
  std::vector<QuantizableLayer> found;
  std::vector<std::string> names;
};

} // namespace tenon::driver
