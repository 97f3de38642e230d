#include "tools/tenon/quantize/QuantizedWriter.h"
#include "tools/tenon/Failure.h"
#include "tools/tenon/quantize/Float8.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace tenon::driver {

constexpr int64_t kPerAxisOpset = 13; // from which ai.onnx's DequantizeLinear takes a scale for each channel

std::vector<float> floatsOf(const onnx::TensorProto &tensor, const std::string &name) {
  std::vector<float> values;
  if (tensor.has_raw_data()) {
    values.resize(tensor.raw_data().size() / sizeof(float));
    std::memcpy(values.data(), tensor.raw_data().data(), values.size() * sizeof(float));
  } else {
    values.assign(tensor.float_data().begin(), tensor.float_data().end());
  }
  int64_t count = 1;
  for (int64_t size : tensor.dims())
    if (size < 0 || __builtin_mul_overflow(count, size, &count))
      throw Failure("the constant '" + name + "' has a negative or overflowing size");
  if (count != int64_t(values.size()))
    throw Failure("the constant '" + name + "' holds " + std::to_string(values.size()) + " values; its shape has " + std::to_string(count));
  if (!std::all_of(values.begin(), values.end(), [](float v) { return std::isfinite(v); }))
    throw Failure("the constant '" + name + "' holds NaN or infinity, which no integer stands for");
  return values;
}

QuantizedWriter::QuantizedWriter(const onnx::ModelProto &original, WeightScales &weightScales, const FittedConstants &fitted)
    : weightScales(weightScales), fitted(fitted), model(original) {
  for (const onnx::OperatorSetIdProto &set : model.opset_import())
    if (set.domain().empty() || set.domain() == "ai.onnx")
      opset = set.version();
  if (opset < kPerAxisOpset) {
    // The same operators with an axis, whatever the model's opset.
    domain = kMicrosoft;
    importMicrosoft();
  }
  for (const onnx::TensorProto &tensor : model.graph().initializer())
    taken.insert(tensor.name());
  for (const onnx::ValueInfoProto &input : model.graph().input())
    taken.insert(input.name());
  for (const onnx::NodeProto &node : model.graph().node()) {
    taken.insert(node.name());
    taken.insert(node.output().begin(), node.output().end());
  }
}

void QuantizedWriter::importMicrosoft() {
  const auto &sets = model.opset_import();
  if (std::any_of(sets.begin(), sets.end(), [](const onnx::OperatorSetIdProto &set) { return set.domain() == kMicrosoft; }))
    return;
  onnx::OperatorSetIdProto *set = model.add_opset_import();
  set->set_domain(kMicrosoft);
  set->set_version(1);
}

std::string QuantizedWriter::fresh(const std::string &wish) {
  std::string name = wish;
  for (int i = 1; !taken.insert(name).second; i++)
    name = wish + "_" + std::to_string(i);
  return name;
}

std::string QuantizedWriter::addFloats(const std::string &wish, const std::vector<float> &values, bool scalar) {
  onnx::TensorProto *tensor = model.mutable_graph()->add_initializer();
  tensor->set_name(fresh(wish));
  tensor->set_data_type(onnx::TensorProto::FLOAT);
  if (!scalar)
    tensor->add_dims(int64_t(values.size()));
  tensor->set_raw_data(values.data(), values.size() * sizeof(float));
  return tensor->name();
}

template <typename T> static void fill(onnx::TensorProto *tensor, int type, const std::vector<T> &values) {
  tensor->set_data_type(type);
  tensor->set_raw_data(values.data(), values.size() * sizeof(T));
}

onnx::NodeProto QuantizedWriter::node(const std::string &type, const std::vector<std::string> &inputs, const std::string &output, int64_t axis) const {
  onnx::NodeProto node;
  node.set_op_type(type);
  node.set_domain(domain);
  node.set_name(output);
  for (const std::string &input : inputs)
    node.add_input(input);
  node.add_output(output);
  if (axis >= 0) {
    onnx::AttributeProto *attribute = node.add_attribute();
    attribute->set_name("axis");
    attribute->set_type(onnx::AttributeProto::INT);
    attribute->set_i(axis);
  }
  return node;
}

void QuantizedWriter::quantizeTensor(const std::string &name, Steps steps) {
  std::string scale = addFloats(name + "_scale", {steps.scale}, true);
  onnx::TensorProto *zeroPoint = model.mutable_graph()->add_initializer();
  zeroPoint->set_name(fresh(name + "_zero_point"));
  if (steps.isFloat)
    fill(zeroPoint, onnx::TensorProto::FLOAT8E4M3FN, std::vector<uint8_t>{0});
  else if (steps.isSigned)
    fill(zeroPoint, onnx::TensorProto::INT8, std::vector<int8_t>{int8_t(steps.writtenZeroPoint())});
  else
    fill(zeroPoint, onnx::TensorProto::UINT8, std::vector<uint8_t>{steps.zeroPoint});
  std::string bytes = fresh(name + "_quantized"), real = fresh(name + "_dequantized");
  dequantized[name] = real;
  after[name] = {node("QuantizeLinear", {name, scale, zeroPoint->name()}, bytes), node("DequantizeLinear", {bytes, scale, zeroPoint->name()}, real)};
}

/// A weight over its scale in 8 bits.
static uint8_t nearestCode(float steps, WeightCodes codes) {
  constexpr float kLargest = 127;
  return codes == WeightCodes::Floats ? float8Bits(roundedToFloat8(steps)) : uint8_t(int8_t(std::clamp(std::nearbyint(steps), -kLargest, kLargest)));
}

const QuantizedWriter::Weight &QuantizedWriter::quantizedWeight(const std::string &name, const onnx::TensorProto &weight, int64_t axis, WeightCodes codes) {
  auto [known, isNew] = weights.try_emplace({name, axis});
  if (!isNew)
    return known->second;
  std::vector<float> values = floatsOf(weight, name);
  int64_t channels = weight.dims(int(axis)), inner = 1;
  for (int i = int(axis) + 1; i < weight.dims_size(); i++)
    inner *= weight.dims(i);
  const std::vector<float> &scales = known->second.scales = weightScales.of(name, weight, axis, codes);
  auto channelOf = [&](size_t i) { return size_t(int64_t(i) / inner % channels); };
  auto chosen = fitted.codes.find(name);
  bool isFitted = chosen != fitted.codes.end();
  std::vector<uint8_t> bytes(values.size());
  for (size_t i = 0; i < values.size(); i++)
    bytes[i] = isFitted ? uint8_t(chosen->second[i]) : nearestCode(values[i] / scales[channelOf(i)], codes);
  int type = codes == WeightCodes::Floats ? onnx::TensorProto::FLOAT8E4M3FN : onnx::TensorProto::INT8;

  std::string scale = addFloats(name + "_scale", scales, false);
  onnx::GraphProto *graph = model.mutable_graph();
  onnx::TensorProto *zeroPoint = graph->add_initializer();
  zeroPoint->set_name(fresh(name + "_zero_point"));
  zeroPoint->add_dims(channels);
  fill(zeroPoint, type, std::vector<uint8_t>(size_t(channels), 0)); // 0 of both
  std::string zeroPointName = zeroPoint->name();
  onnx::TensorProto *tensor = graph->add_initializer();
  tensor->set_name(fresh(name + "_quantized"));
  *tensor->mutable_dims() = weight.dims();
  fill(tensor, type, bytes);
  known->second.name = fresh(name + "_dequantized");
  first.push_back(node("DequantizeLinear", {tensor->name(), scale, zeroPointName}, known->second.name, axis));
  return known->second;
}

std::optional<std::string> QuantizedWriter::quantizedBias(const std::string &name, const std::vector<float> &values, const std::vector<float> &scales) {
  constexpr double kLargest = 1 << 30; // leaves as much for the sum
  std::vector<int32_t> steps;
  for (size_t i = 0; i < values.size(); i++) {
    double step = double(values[i]) / scales[i];
    if (!(std::abs(step) <= kLargest))
      return std::nullopt;
    steps.push_back(int32_t(std::nearbyint(step)));
  }
  std::string scale = addFloats(name + "_scale", scales, false), zeroPoint = fresh(name + "_zero_point");
  onnx::GraphProto *graph = model.mutable_graph();
  onnx::TensorProto *zeros = graph->add_initializer();
  zeros->set_name(zeroPoint);
  zeros->add_dims(int64_t(values.size()));
  fill(zeros, onnx::TensorProto::INT32, std::vector<int32_t>(values.size(), 0));
  onnx::TensorProto *tensor = graph->add_initializer();
  tensor->set_name(fresh(name + "_quantized"));
  tensor->add_dims(int64_t(values.size()));
  fill(tensor, onnx::TensorProto::INT32, steps);
  std::string real = fresh(name + "_dequantized");
  first.push_back(node("DequantizeLinear", {tensor->name(), scale, zeroPoint}, real, 0));
  return real;
}

void QuantizedWriter::quantizeLayer(size_t index, const QuantizableLayer &layer, const onnx::TensorProto &weight, const onnx::TensorProto *bias, Steps input) {
  quantizeConstants(index, *model.mutable_graph()->mutable_node(layer.node), layer, weight, bias, input);
  if (auto shifted = fitted.biases.find(index); shifted != fitted.biases.end() && layer.addition >= 0) {
    std::string name = addFloats(layer.weight + "_shift", shifted->second, false);
    model.mutable_graph()->mutable_node(layer.addition)->set_input(layer.addend, name);
  }
}

void QuantizedWriter::quantizeConstants(size_t index, onnx::NodeProto &node, const QuantizableLayer &layer, const onnx::TensorProto &weight, const onnx::TensorProto *bias, Steps input) {
  const Weight &quantized = quantizedWeight(layer.weight, weight, layer.axis, input.weightCodes());
  node.set_input(1, quantized.name);
  auto shifted = fitted.biases.find(index);
  bool isShifted = shifted != fitted.biases.end() && layer.addition < 0;
  if (!isShifted && (!bias || input.isFloat)) // sums of floats have no steps
    return;
  std::vector<float> scales, values = isShifted ? shifted->second : floatsOf(*bias, layer.bias);
  for (float scale : quantized.scales)
    scales.push_back(input.scale * scale);
  if (values.size() != scales.size())
    return;
  std::string name = bias ? layer.bias : layer.weight + "_bias";
  std::optional<std::string> integers = input.isFloat ? std::nullopt : quantizedBias(name, values, scales);
  if (!integers && !isShifted)
    return; // it stays as it is
  while (node.input_size() < 3)
    node.add_input("");
  node.set_input(2, integers ? *integers : addFloats(name + "_shifted", values, false));
}

void QuantizedWriter::keepLayer(const QuantizableLayer &layer) { kept.insert(layer.node); }

onnx::NodeProto QuantizedWriter::cast(const std::string &from, const std::string &to, int type) const {
  onnx::NodeProto made = node("Cast", {from}, to);
  made.clear_domain();
  onnx::AttributeProto *attribute = made.add_attribute();
  attribute->set_name("to");
  attribute->set_type(onnx::AttributeProto::INT);
  attribute->set_i(type);
  return made;
}

std::string QuantizedWriter::halved(const std::string &name, const QuantizableLayer &layer) {
  auto [known, isNew] = halves.try_emplace(name);
  if (!isNew)
    return known->second;
  known->second = fresh(name + "_f16");
  const auto &initializers = model.graph().initializer();
  auto constant = std::find_if(initializers.begin(), initializers.end(), [&](const onnx::TensorProto &tensor) { return tensor.name() == name; });
  if (constant == initializers.end()) {
    after[name].push_back(cast(name, known->second, onnx::TensorProto::FLOAT16));
    return known->second;
  }
  constexpr float kLargest = 65504;
  std::vector<_Float16> values;
  for (float value : floatsOf(*constant, name)) {
    if (std::abs(value) > kLargest)
      throw Failure("layer '" + layer.name + "': its constant '" + name + "' holds " + std::to_string(value) + ", and f16 ends at 65504; give the layer 32 bits");
    values.push_back(_Float16(value));
  }
  auto dims = constant->dims();
  onnx::TensorProto *tensor = model.mutable_graph()->add_initializer();
  tensor->set_name(known->second);
  *tensor->mutable_dims() = dims;
  fill(tensor, onnx::TensorProto::FLOAT16, values);
  return known->second;
}

void QuantizedWriter::halveLayer(const QuantizableLayer &layer) {
  kept.insert(layer.node);
  onnx::NodeProto *node = model.mutable_graph()->mutable_node(layer.node);
  for (std::string &input : *node->mutable_input())
    if (!input.empty())
      input = halved(input, layer);
  std::string result = node->output(0), half = fresh(result + "_in_f16");
  node->set_output(0, half);
  after[half] = {cast(half, result, onnx::TensorProto::FLOAT)};
  followInstead(result, half);
}

void QuantizedWriter::followInstead(const std::string &result, const std::string &other) {
  auto following = after.find(result);
  if (following == after.end())
    return;
  after[other].insert(after[other].end(), following->second.begin(), following->second.end());
  after.erase(following);
}

void QuantizedWriter::addSwitches(size_t layers) {
  onnx::ValueInfoProto *input = model.mutable_graph()->add_input();
  input->set_name(fresh("layers_in_8_bits"));
  onnx::TypeProto::Tensor *type = input->mutable_type()->mutable_tensor_type();
  type->set_elem_type(onnx::TensorProto::FLOAT);
  type->mutable_shape()->add_dim()->set_dim_value(int64_t(layers));
  switches = input->name();
}

void QuantizedWriter::switchLayer(size_t index, const QuantizableLayer &layer, const onnx::TensorProto &weight, const onnx::TensorProto *bias, Steps input) {
  onnx::NodeProto *original = model.mutable_graph()->mutable_node(layer.node);
  onnx::NodeProto coarse = *original;
  std::string result = original->output(0), exact = fresh(result + "_f32"), approximate = fresh(result + "_8_bits");
  original->set_output(0, exact);
  coarse.set_name(approximate);
  coarse.set_output(0, approximate);
  coarse.set_input(0, dequantized.at(layer.input));
  quantizeConstants(index, coarse, layer, weight, bias, input);

  onnx::TensorProto *place = model.mutable_graph()->add_initializer();
  place->set_name(fresh(result + "_switch_index"));
  place->set_data_type(onnx::TensorProto::INT64);
  place->add_int64_data(int64_t(index));
  std::string number = fresh(result + "_switch"), difference = fresh(result + "_difference"), counted = fresh(result + "_counted");
  auto plain = [&](const std::string &type, const std::vector<std::string> &inputs, const std::string &output) {
    onnx::NodeProto made = node(type, inputs, output);
    made.clear_domain();
    return made;
  };
  after[exact] = {coarse, plain("Gather", {switches, place->name()}, number), plain("Sub", {approximate, exact}, difference),
                  plain("Mul", {difference, number}, counted), plain("Add", {exact, counted}, result)};
  followInstead(result, exact);
}

void QuantizedWriter::dropUnread() {
  std::set<std::string> read;
  std::vector<const onnx::GraphProto *> graphs{&model.graph()};
  while (!graphs.empty()) {
    const onnx::GraphProto *graph = graphs.back();
    graphs.pop_back();
    for (const onnx::NodeProto &node : graph->node()) {
      read.insert(node.input().begin(), node.input().end());
      for (const onnx::AttributeProto &attribute : node.attribute()) {
        if (attribute.has_g())
          graphs.push_back(&attribute.g());
        for (const onnx::GraphProto &body : attribute.graphs())
          graphs.push_back(&body);
      }
    }
    for (const onnx::ValueInfoProto &output : graph->output())
      read.insert(output.name());
  }
  onnx::GraphProto *graph = model.mutable_graph();
  std::set<std::string> dropped;
  auto &initializers = *graph->mutable_initializer();
  initializers.erase(std::remove_if(initializers.begin(), initializers.end(),
                                    [&](const onnx::TensorProto &tensor) { return !read.contains(tensor.name()) && dropped.insert(tensor.name()).second; }),
                     initializers.end());
  // Old models list their initializers among the inputs.
  auto &inputs = *graph->mutable_input();
  inputs.erase(std::remove_if(inputs.begin(), inputs.end(), [&](const onnx::ValueInfoProto &input) { return dropped.contains(input.name()); }), inputs.end());
}

std::string QuantizedWriter::finish() {
  onnx::GraphProto *graph = model.mutable_graph();
  google::protobuf::RepeatedPtrField<onnx::NodeProto> nodes;
  auto append = [&](const onnx::NodeProto &node) { *nodes.Add() = node; };
  auto appendAfter = [&](const std::string &name) {
    if (auto following = after.find(name); following != after.end())
      std::for_each(following->second.begin(), following->second.end(), append);
  };
  for (const onnx::ValueInfoProto &input : graph->input())
    appendAfter(input.name());
  std::for_each(first.begin(), first.end(), append);
  for (int i = 0; i < graph->node_size(); i++) {
    const onnx::NodeProto &old = graph->node(i);
    onnx::NodeProto copy = old;
    bool isKept = !switches.empty() || kept.contains(i);
    for (std::string &input : *copy.mutable_input())
      if (auto other = dequantized.find(input); other != dequantized.end() && !isKept)
        input = other->second;
    append(copy);
    for (const std::string &output : old.output())
      appendAfter(output);
  }
  graph->mutable_node()->Swap(&nodes);
  dropUnread();
  model.set_producer_name("tenon quantize");
  return model.SerializeAsString();
}

} // namespace tenon::driver
