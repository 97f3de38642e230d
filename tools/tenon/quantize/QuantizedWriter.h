// Writes Q/DQ nodes into a copy of a model.
#pragma once
#include "tools/tenon/quantize/QuantizableModel.h"

#include "onnx-ml.pb.h"

#include <set>

namespace tenon::driver {

class QuantizedWriter {
public:
  explicit QuantizedWriter(const onnx::ModelProto &model);

  /// Every reader of the tensor but the graph's outputs reads what is left of it after quantization.
  void quantizeTensor(const std::string &name, Steps steps);
  /// The layer's weights become signed bytes, its bias (null: none) counts in the steps of the sums.
  void quantizeLayer(const QuantizableLayer &layer, const onnx::TensorProto &weight, const onnx::TensorProto *bias, Steps input);
  /// The model's bytes, without the constants that nothing reads any more. Call once.
  std::string finish();

private:
  struct Weight {
    std::string name; // of the dequantized tensor
    std::vector<float> scales;
  };
  const Weight &quantizedWeight(const std::string &name, const onnx::TensorProto &weight, int64_t axis);
  std::string quantizedBias(const std::string &name, const onnx::TensorProto &bias, const std::vector<float> &scales);
  std::string fresh(const std::string &wish);
  std::string addFloats(const std::string &wish, const std::vector<float> &values, bool scalar);
  onnx::NodeProto node(const std::string &type, const std::vector<std::string> &inputs, const std::string &output, int64_t axis = -1) const;
  void dropUnread();

  onnx::ModelProto model;
  std::string domain;                                  // of the Q/DQ nodes
  std::set<std::string> taken;
  std::map<std::string, std::string> replaced;         // tensor to what its readers read
  std::map<std::string, std::vector<onnx::NodeProto>> after; // the nodes that follow a tensor's producer
  std::vector<onnx::NodeProto> first;                  // before all others
  std::map<std::pair<std::string, int64_t>, Weight> weights;
};

/// The values of an f32 tensor whose data lies in the model. Throws Failure where their number is not that of its shape, or one is not finite.
std::vector<float> floatsOf(const onnx::TensorProto &tensor, const std::string &name);

} // namespace tenon::driver
