#include "tools/tenon/quantize/QuantizableModel.h"
#include "tools/tenon/Failure.h"
#include "tools/tenon/quantize/QuantizedWriter.h"

#include "onnx-ml.pb.h"

#include <algorithm>
#include <set>

namespace tenon::driver {

namespace {

const onnx::AttributeProto *attribute(const onnx::NodeProto &node, const std::string &name) {
  for (const onnx::AttributeProto &attribute : node.attribute())
    if (attribute.name() == name)
      return &attribute;
  return nullptr;
}

int64_t integer(const onnx::NodeProto &node, const std::string &name, int64_t otherwise) {
  const onnx::AttributeProto *found = attribute(node, name);
  return found ? found->i() : otherwise;
}

float real(const onnx::NodeProto &node, const std::string &name, float otherwise) {
  const onnx::AttributeProto *found = attribute(node, name);
  return found ? found->f() : otherwise;
}

bool isStandard(const onnx::NodeProto &node) { return node.domain().empty() || node.domain() == "ai.onnx"; }

/// Ops whose results are elements of their first input, or of all of them (Concat).
bool onlyMoves(const onnx::NodeProto &node) {
  static const std::set<std::string> names{"Concat", "MaxPool", "Reshape", "Flatten", "Transpose", "Slice", "Split", "Squeeze", "Unsqueeze", "Identity", "Resize"};
  const onnx::AttributeProto *mode = attribute(node, "mode");
  bool interpolates = node.op_type() == "Resize" && mode && mode->s() != "nearest";
  return isStandard(node) && names.contains(node.op_type()) && !interpolates;
}

bool isBound(const onnx::NodeProto &node) { return isStandard(node) && (node.op_type() == "Relu" || node.op_type() == "Clip"); }

/// The axis of the weights with the results; none where the node is no layer that integers compute.
std::optional<int64_t> layerAxis(const onnx::NodeProto &node, int rank) {
  if (!isStandard(node))
    return std::nullopt;
  if (node.op_type() == "Conv" && rank >= 3)
    return 0;
  if (node.op_type() == "MatMul" && rank == 2)
    return 1;
  bool isPlain = real(node, "alpha", 1) == 1 && real(node, "beta", 1) == 1 && integer(node, "transA", 0) == 0;
  if (node.op_type() == "Gemm" && rank == 2 && isPlain)
    return integer(node, "transB", 0) ? 0 : 1;
  return std::nullopt;
}

} // namespace

QuantizableModel::QuantizableModel(std::span<const std::byte> bytes, const std::string &path) : path(path), model(std::make_unique<onnx::ModelProto>()) {
  if (bytes.size() > size_t(INT32_MAX) || !model->ParseFromArray(bytes.data(), int(bytes.size())) || !model->has_graph())
    throw Failure(path + ": is no ONNX model (or larger than 2 GiB)");
  for (const onnx::TensorProto &tensor : model->graph().initializer())
    constants[tensor.name()] = &tensor;
  for (int i = 0; i < model->graph().node_size(); i++) {
    const onnx::NodeProto &node = model->graph().node(i);
    for (const std::string &output : node.output())
      producers[output] = i;
    const onnx::AttributeProto *value = attribute(node, "value");
    if (node.op_type() == "Constant" && value && value->has_t() && node.output_size() == 1)
      constants[node.output(0)] = &value->t();
  }
  refuseQuantized();
  findLayers();
  findTensors();
}

QuantizableModel::~QuantizableModel() = default;

void QuantizableModel::refuseQuantized() const {
  for (const onnx::NodeProto &node : model->graph().node()) {
    const std::string &type = node.op_type();
    if (type.ends_with("QuantizeLinear") || type == "DequantizeLinear" || type.starts_with("QLinear") || type.ends_with("Integer"))
      throw Failure(path + ": is quantized already: node '" + node.name() + "' is a " + type + "; a float model was expected");
  }
}

const onnx::TensorProto *QuantizableModel::floats(const std::string &name) const {
  auto constant = constants.find(name);
  return constant != constants.end() && constant->second->data_type() == onnx::TensorProto::FLOAT ? constant->second : nullptr;
}

void QuantizableModel::findLayers() {
  const onnx::GraphProto &graph = model->graph();
  for (int i = 0; i < graph.node_size(); i++) {
    const onnx::NodeProto &node = graph.node(i);
    const onnx::TensorProto *weight = node.input_size() >= 2 ? floats(node.input(1)) : nullptr;
    std::optional<int64_t> axis = weight ? layerAxis(node, weight->dims_size()) : std::nullopt;
    if (!axis || constants.contains(node.input(0)))
      continue;
    if (weight->data_location() == onnx::TensorProto::EXTERNAL)
      throw Failure(path + ": the weights '" + weight->name() + "' lie in another file; a model of one file was expected");
    bool hasBias = node.op_type() != "MatMul" && node.input_size() >= 3 && floats(node.input(2)) && floats(node.input(2))->dims_size() == 1;
    found.push_back({i, node.input(0), node.input(1), hasBias ? node.input(2) : "", *axis});
  }
  if (found.empty())
    throw Failure(path + ": holds no Conv, Gemm or MatMul with constant f32 weights: there is nothing to quantize");
}

/// Walks up from what layers read: through moves to their inputs, and through bounds to the operands of sums.
void QuantizableModel::findTensors() {
  const onnx::GraphProto &graph = model->graph();
  std::set<std::string> marked;
  std::vector<std::string> work;
  auto mark = [&](const std::string &name) {
    if (!name.empty() && !constants.contains(name) && marked.insert(name).second)
      work.push_back(name);
  };
  for (const QuantizableLayer &layer : found)
    mark(layer.input);
  while (!work.empty()) {
    auto producer = producers.find(work.back());
    work.pop_back();
    while (producer != producers.end() && isBound(graph.node(producer->second)))
      producer = producers.find(graph.node(producer->second).input(0));
    if (producer == producers.end())
      continue;
    const onnx::NodeProto &node = graph.node(producer->second);
    bool isSum = isStandard(node) && node.op_type() == "Add" && node.input_size() == 2 && !constants.contains(node.input(0)) && !constants.contains(node.input(1));
    if (!isSum && !onlyMoves(node))
      continue;
    for (int i = 0; i < (isSum || node.op_type() == "Concat" ? node.input_size() : 1); i++)
      mark(node.input(i));
  }
  for (const onnx::ValueInfoProto &input : graph.input())
    if (marked.contains(input.name()))
      names.push_back(input.name());
  for (const onnx::NodeProto &node : graph.node())
    for (const std::string &output : node.output())
      if (marked.contains(output))
        names.push_back(output);
}

std::vector<std::string> QuantizableModel::computedTensors() const {
  std::vector<std::string> computed;
  std::copy_if(names.begin(), names.end(), std::back_inserter(computed), [&](const std::string &name) { return producers.contains(name); });
  return computed;
}

std::string QuantizableModel::observed() const {
  onnx::ModelProto copy = *model;
  std::set<std::string> outputs;
  for (const onnx::ValueInfoProto &output : copy.graph().output())
    outputs.insert(output.name());
  for (const std::string &name : computedTensors()) {
    if (outputs.contains(name))
      continue;
    onnx::ValueInfoProto *output = copy.mutable_graph()->add_output();
    output->set_name(name);
    output->mutable_type()->mutable_tensor_type()->set_elem_type(onnx::TensorProto::FLOAT);
  }
  return copy.SerializeAsString();
}

std::string QuantizableModel::quantized(const std::map<std::string, Steps> &steps) const {
  QuantizedWriter writer(*model);
  for (const std::string &name : names)
    writer.quantizeTensor(name, steps.at(name));
  for (const QuantizableLayer &layer : found) {
    const onnx::TensorProto *bias = layer.bias.empty() ? nullptr : floats(layer.bias);
    writer.quantizeLayer(layer, *floats(layer.weight), bias, steps.at(layer.input));
  }
  return writer.finish();
}

} // namespace tenon::driver
