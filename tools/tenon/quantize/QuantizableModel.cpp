#include "tools/tenon/quantize/QuantizableModel.h"
#include "tools/tenon/Failure.h"
#include "tools/tenon/quantize/NodeAttributes.h"
#include "tools/tenon/quantize/QuantizedWriter.h"

#include <algorithm>
#include <set>

namespace tenon::driver {
namespace {

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
  names = tensors(noFloats());
}

QuantizableModel::~QuantizableModel() = default;

void QuantizableModel::refuseQuantized() const {
  for (const onnx::NodeProto &node : model->graph().node()) {
    const std::string &type = node.op_type();
    if (type.ends_with("QuantizeLinear") || type == "DequantizeLinear" || type.starts_with("QLinear") || type.ends_with("Integer"))
      throw Failure(path + ": is quantized already: node '" + node.name() + "' is a " + type + "; a float model was expected");
  }
}

const onnx::TensorProto *QuantizableModel::biasOf(const QuantizableLayer &layer) const { return layer.bias.empty() ? nullptr : floats(layer.bias); }

const onnx::TensorProto *QuantizableModel::floats(const std::string &name) const {
  auto constant = constants.find(name);
  return constant != constants.end() && constant->second->data_type() == onnx::TensorProto::FLOAT ? constant->second : nullptr;
}

std::string QuantizableModel::layerName(const onnx::NodeProto &node) const {
  auto named = [&](const onnx::NodeProto &other) { return other.name() == node.name(); };
  const auto &nodes = model->graph().node();
  return node.name().empty() || std::count_if(nodes.begin(), nodes.end(), named) > 1 ? node.output(0) : node.name();
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
    found.push_back({i, layerName(node), node.op_type(), node.input(0), node.input(1), hasBias ? node.input(2) : "", *axis});
    if (node.op_type() == "MatMul")
      findAddition(found.back());
  }
  if (found.empty())
    throw Failure(path + ": holds no Conv, Gemm or MatMul with constant f32 weights: there is nothing to quantize");
}

void QuantizableModel::findAddition(QuantizableLayer &layer) const {
  const onnx::GraphProto &graph = model->graph();
  const std::string &result = graph.node(layer.node).output(0);
  for (const onnx::ValueInfoProto &output : graph.output())
    if (output.name() == result)
      return;
  int readers = 0;
  for (int i = 0; i < graph.node_size(); i++) {
    const onnx::NodeProto &node = graph.node(i);
    for (const onnx::AttributeProto &attribute : node.attribute())
      if (attribute.has_g() || attribute.graphs_size())
        return; // a body may read it, too
    for (int input = 0; input < node.input_size(); input++) {
      if (node.input(input) != result)
        continue;
      const onnx::TensorProto *other = node.input_size() == 2 ? floats(node.input(1 - input)) : nullptr;
      bool isSum = isStandard(node) && node.op_type() == "Add" && other && other->dims_size() == 1 && other->dims(0) == floats(layer.weight)->dims(1);
      layer.addition = isSum ? i : -1;
      layer.addend = 1 - input;
      readers++;
    }
  }
  if (readers != 1)
    layer.addition = -1;
}

size_t QuantizableModel::readersOf(const std::string &tensor) const {
  auto isIt = [&](const std::string &name) { return name == tensor; };
  const onnx::GraphProto &graph = model->graph();
  size_t readers = 0;
  for (const onnx::NodeProto &node : graph.node())
    readers += size_t(std::count_if(node.input().begin(), node.input().end(), isIt));
  for (const onnx::ValueInfoProto &output : graph.output())
    readers += isIt(output.name());
  return readers;
}

LayerShape QuantizableModel::shapeOf(const QuantizableLayer &layer) const {
  return driver::shapeOf(model->graph().node(layer.node), *floats(layer.weight), layer.axis);
}

bool QuantizableModel::isForFloat8(const QuantizableLayer &layer) const {
  constexpr int64_t kTogether = 4;
  return shapeOf(layer).groups == 1 && floats(layer.weight)->dims(int(1 - layer.axis)) % kTogether == 0;
}

std::vector<float> QuantizableModel::weightOf(const QuantizableLayer &layer) const { return floatsOf(*floats(layer.weight), layer.weight); }

bool QuantizableModel::canShift(const QuantizableLayer &layer) const {
  const onnx::NodeProto &node = model->graph().node(layer.node);
  if (layer.type == "MatMul")
    return layer.addition >= 0;
  bool hasNone = node.input_size() < 3 || node.input(2).empty();
  return hasNone || (!layer.bias.empty() && floats(layer.bias)->dims(0) == floats(layer.weight)->dims(int(layer.axis)));
}

std::vector<float> QuantizableModel::biasValues(const QuantizableLayer &layer) const {
  const std::string &name = layer.addition >= 0 ? model->graph().node(layer.addition).input(layer.addend) : layer.bias;
  return name.empty() ? std::vector<float>(size_t(floats(layer.weight)->dims(int(layer.axis))), 0) : floatsOf(*floats(name), name);
}

/// Walks up from what layers read: through moves to their inputs, and through bounds to the operands of sums.
std::vector<std::string> QuantizableModel::tensors(const Floats &inFloat) const {
  const onnx::GraphProto &graph = model->graph();
  std::set<std::string> marked;
  std::vector<std::string> work;
  auto mark = [&](const std::string &name) {
    if (!name.empty() && !constants.contains(name) && marked.insert(name).second)
      work.push_back(name);
  };
  for (size_t i = 0; i < found.size(); i++)
    if (!inFloat[i])
      mark(found[i].input);
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
  std::vector<std::string> names;
  for (const onnx::ValueInfoProto &input : graph.input())
    if (marked.contains(input.name()))
      names.push_back(input.name());
  for (const onnx::NodeProto &node : graph.node())
    for (const std::string &output : node.output())
      if (marked.contains(output))
        names.push_back(output);
  return names;
}

std::map<std::string, std::string> QuantizableModel::sharedSteps() const {
  std::set<std::string> known(names.begin(), names.end());
  std::map<std::string, std::string> sources;
  auto sourceOf = [&](const std::string &name) {
    auto found = sources.find(name);
    return found == sources.end() ? name : found->second;
  };
  for (const onnx::NodeProto &node : model->graph().node()) {
    if (!onlyMoves(node) || node.input_size() == 0)
      continue;
    for (const std::string &output : node.output())
      if (node.op_type() != "Concat" && known.contains(output) && known.contains(node.input(0)))
        sources[output] = sourceOf(node.input(0));
    for (const std::string &input : node.input())
      if (node.op_type() == "Concat" && known.contains(node.output(0)) && known.contains(input) && readersOf(input) == 1 && !sources.contains(input))
        sources[input] = node.output(0);
  }
  for (auto &[name, source] : sources)
    for (auto further = sources.find(source); further != sources.end(); further = sources.find(source))
      source = further->second;
  return sources;
}

std::vector<std::vector<std::string>> QuantizableModel::joins() const {
  std::set<std::string> known(names.begin(), names.end());
  std::vector<std::vector<std::string>> joined;
  for (const onnx::NodeProto &node : model->graph().node()) {
    if (!onlyMoves(node) || node.op_type() != "Concat" || !known.contains(node.output(0)))
      continue;
    std::vector<std::string> &members = joined.emplace_back(node.input().begin(), node.input().end());
    std::erase_if(members, [&](const std::string &name) { return !known.contains(name); });
    members.push_back(node.output(0));
  }
  return joined;
}

std::string QuantizableModel::original() const { return model->SerializeAsString(); }

std::string QuantizableModel::observed() const {
  onnx::ModelProto copy = *model;
  std::set<std::string> outputs;
  for (const onnx::ValueInfoProto &output : copy.graph().output())
    outputs.insert(output.name());
  for (const std::string &name : names) {
    if (outputs.contains(name) || !producers.contains(name))
      continue;
    onnx::ValueInfoProto *output = copy.mutable_graph()->add_output();
    output->set_name(name);
    output->mutable_type()->mutable_tensor_type()->set_elem_type(onnx::TensorProto::FLOAT);
  }
  return copy.SerializeAsString();
}

std::string QuantizableModel::quantized(const std::map<std::string, Steps> &steps, const Floats &inFloat, const Floats &inHalf, const FittedConstants &fitted) const {
  QuantizedWriter writer(*model, weightScales, fitted);
  for (const std::string &name : tensors(inFloat))
    writer.quantizeTensor(name, steps.at(name));
  for (size_t i = 0; i < found.size(); i++) {
    const QuantizableLayer &layer = found[i];
    if (inFloat[i] && inHalf[i])
      writer.halveLayer(layer);
    else if (inFloat[i])
      writer.keepLayer(layer);
    else
      writer.quantizeLayer(i, layer, *floats(layer.weight), biasOf(layer), steps.at(layer.input));
  }
  return writer.finish();
}

std::string QuantizableModel::switched(const std::map<std::string, Steps> &steps, const FittedConstants &fitted) const {
  QuantizedWriter writer(*model, weightScales, fitted);
  writer.addSwitches(found.size());
  for (const std::string &name : names)
    writer.quantizeTensor(name, steps.at(name));
  for (size_t i = 0; i < found.size(); i++)
    writer.switchLayer(i, found[i], *floats(found[i].weight), biasOf(found[i]), steps.at(found[i].input));
  return writer.finish();
}

} // namespace tenon::driver
