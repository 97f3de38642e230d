// An ONNX model as quantization sees it: layers with constant weights, the tensors between them, and the same model with Q/DQ nodes.
#pragma once
#include "tools/tenon/quantize/LayerShape.h"
#include "tools/tenon/quantize/Range.h"
#include "tools/tenon/quantize/WeightScales.h"

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
  std::string name;     // the node's; its result's where it has none, or shares it
  std::string type;     // "Conv"
  std::string input, weight, bias; // bias: "" where it has none that is known
  int64_t axis;         // of the weight, along which each slice gets a scale
  int addition = -1;    // of a MatMul: the node that adds a known number to each column of its result, and to nothing else; -1: none
  int addend = 0;       // which of the addition's inputs these are
};

/// Constants that are not the nearest to the float model's.
struct FittedConstants {
  std::map<std::string, std::vector<int8_t>> codes; // by weight, in its order
  std::map<size_t, std::vector<float>> biases;      // by layer
};

class QuantizableModel {
public:
  /// Throws Failure where the bytes are no model, hold nothing to quantize, or are quantized already; `path` is for messages.
  QuantizableModel(std::span<const std::byte> bytes, const std::string &path);
  ~QuantizableModel();

  const std::vector<QuantizableLayer> &layers() const { return found; }
  /// Which layers stay in f32, in the order of `layers()`.
  using Floats = std::vector<bool>;
  Floats noFloats() const { return Floats(found.size(), false); }
  /// Names of the tensors to be quantized, in the order of the graph: inputs of the layers that are not in f32, and what is only moved or added on
  /// the way to them.
  std::vector<std::string> tensors(const Floats &inFloat) const;
  /// `tensors(noFloats())`: every other choice quantizes some of them.
  const std::vector<std::string> &allTensors() const { return names; }
  /// Tensors that take the steps of another one: they hold nothing but its elements, or go nowhere but into it. Rounding them once more would only add errors.
  std::map<std::string, std::string> sharedSteps() const;
  /// Of each Concat what it joins and its result, as far as these are tensors to be quantized.
  std::vector<std::vector<std::string>> joins() const;
  /// The model as it came.
  std::string original() const;
  /// The model with all tensors that the graph computes among its outputs, behind its own ones.
  std::string observed() const;
  /// The model with QuantizeLinear and DequantizeLinear around every tensor, signed 8-bit weights with a scale for each channel, and 32-bit biases.
  /// Of the layers in floats, those of `inHalf` compute in f16. Throws Failure where their constants do not fit.
  std::string quantized(const std::map<std::string, Steps> &steps, const Floats &inFloat, const Floats &inHalf, const FittedConstants &fitted) const;
  /// The model with each layer twice, in f32 and in 8 bits, and one more input, the last: f32[layers], 1 for each layer whose 8 bits count, 0 for others.
  std::string switched(const std::map<std::string, Steps> &steps, const FittedConstants &fitted) const;

  const onnx::ModelProto &proto() const { return *model; }
  const std::map<std::string, const onnx::TensorProto *> &knownConstants() const { return constants; }
  /// How many inputs of nodes the tensor is, and outputs of the graph.
  size_t readersOf(const std::string &tensor) const;
  LayerShape shapeOf(const QuantizableLayer &layer) const;
  /// Whether GPUs multiply it in floats of 8 bits: no groups, and sums over a multiple of four channels (passes/2_quantize/NarrowProducts.cpp).
  bool isForFloat8(const QuantizableLayer &layer) const;
  std::vector<float> weightOf(const QuantizableLayer &layer) const; // as it is stored
  const std::vector<float> &scalesOf(const QuantizableLayer &layer, WeightCodes codes) const { return weightScales.of(layer.weight, *floats(layer.weight), layer.axis, codes); }
  /// Whether each of its results can be shifted by a constant without another op.
  bool canShift(const QuantizableLayer &layer) const;
  /// What is added to each result of a layer that can be shifted.
  std::vector<float> biasValues(const QuantizableLayer &layer) const;

private:
  void findLayers();
  void findAddition(QuantizableLayer &layer) const;
  void refuseQuantized() const;
  std::string layerName(const onnx::NodeProto &node) const;
  const onnx::TensorProto *floats(const std::string &name) const;
  const onnx::TensorProto *biasOf(const QuantizableLayer &layer) const; // null: none

  std::string path;
  std::unique_ptr<onnx::ModelProto> model;
  std::map<std::string, const onnx::TensorProto *> constants; // initializers and Constant nodes
  std::map<std::string, int> producers;
  std::vector<QuantizableLayer> found;
  std::vector<std::string> names;
  mutable WeightScales weightScales; // found when they are first needed; not thread safe
};

} // namespace tenon::driver
