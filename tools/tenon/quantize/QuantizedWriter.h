// Writes Q/DQ nodes into a copy of a model.
#pragma once
#include "tools/tenon/quantize/QuantizableModel.h"
#include "tools/tenon/quantize/WeightBlocks.h"

#include "onnx-ml.pb.h"

#include <optional>
#include <set>

namespace tenon::driver {

class QuantizedWriter {
public:
  /// `fitted` replaces weights and biases of layers in 8 bits.
  QuantizedWriter(const onnx::ModelProto &model, WeightScales &weightScales, const FittedConstants &fitted);

  /// Every reader of the tensor but the graph's outputs reads what is left of it after quantization.
  void quantizeTensor(const std::string &name, Steps steps);
  /// The layer's weights become signed bytes, its bias (null: none) counts in the steps of the sums; where the input becomes floats, so do the weights, and the
  /// bias stays. `index` of the layer among all.
  void quantizeLayer(size_t index, const QuantizableLayer &layer, const onnx::TensorProto &weight, const onnx::TensorProto *bias, Steps input);
  /// The layer reads what it read, whatever becomes of its input.
  void keepLayer(const QuantizableLayer &layer);
  /// The same in f16: its input, constants and result are cast.
  void halveLayer(const QuantizableLayer &layer);

  /// The product reads its weights from blocks: through DequantizeLinear from opset 21 on, as com.microsoft's MatMulNBits below.
  void blockLayer(const QuantizableLayer &layer, const WeightBlocks &blocks);

  /// Adds an input with a number for each of `layers`. To be called before `switchLayer`; `quantizeTensor` then leaves the tensor's readers as they are.
  void addSwitches(size_t layers);
  /// Adds the layer in 8 bits beside the one in f32: readers get f32 + number `index` of the switches * (8 bits - f32).
  void switchLayer(size_t index, const QuantizableLayer &layer, const onnx::TensorProto &weight, const onnx::TensorProto *bias, Steps input);

  /// The model's bytes, without the constants that nothing reads any more. Call once.
  std::string finish();

private:
  struct Weight {
    std::string name; // of the dequantized tensor
    std::vector<float> scales;
  };
  /// `node` with quantized weights and bias.
  void quantizeConstants(size_t index, onnx::NodeProto &node, const QuantizableLayer &layer, const onnx::TensorProto &weight, const onnx::TensorProto *bias, Steps input);
  const Weight &quantizedWeight(const std::string &name, const onnx::TensorProto &weight, int64_t axis, WeightCodes codes);
  /// The bias in the steps of the sums; none where that takes more than 32 bits.
  std::optional<std::string> quantizedBias(const std::string &name, const std::vector<float> &values, const std::vector<float> &scales);
  /// An input of a layer, a constant or not, in f16.
  std::string halved(const std::string &name, const QuantizableLayer &layer);
  onnx::NodeProto cast(const std::string &from, const std::string &to, int type) const;
  std::string dequantizedBlocks(const QuantizableLayer &layer, const WeightBlocks &blocks);
  void multiplyBlocks(const QuantizableLayer &layer, const WeightBlocks &blocks);
  onnx::TensorProto *addTensor(const std::string &wish, const std::vector<int64_t> &dims);
  void importMicrosoft();
  std::string fresh(const std::string &wish);
  std::string addFloats(const std::string &wish, const std::vector<float> &values, bool scalar);
  onnx::NodeProto node(const std::string &type, const std::vector<std::string> &inputs, const std::string &output, int64_t axis = -1) const;
  /// What follows a layer's own result follows `other` now, from which the result is made.
  void followInstead(const std::string &result, const std::string &other);
  void dropUnread();

  WeightScales &weightScales;
  const FittedConstants &fitted;
  onnx::ModelProto model;
  int64_t opset = 0;
  std::string domain;                                  // of the Q/DQ nodes
  std::set<std::string> taken;
  std::map<std::string, std::string> dequantized;      // tensor to what its readers read
  std::set<int> kept;                                  // nodes that read what they read
  std::string switches;                                // the input with a number for each layer; "": there is none
  std::map<std::string, std::vector<onnx::NodeProto>> after; // the nodes that follow a tensor's producer
  std::vector<onnx::NodeProto> first;                  // before all others
  std::map<std::pair<std::string, int64_t>, Weight> weights;
  std::map<std::string, std::vector<std::string>> blocked; // weights to the inputs that take their place
  std::map<std::string, std::string> halves;           // what was cast to f16
};

constexpr const char *kMicrosoft = "com.microsoft"; // a domain

/// The values of an f32 tensor whose data lies in the model. Throws Failure where their number is not that of its shape, or one is not finite.
std::vector<float> floatsOf(const onnx::TensorProto &tensor, const std::string &name);

} // namespace tenon::driver
