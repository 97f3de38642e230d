#include "tools/tenon/quantize/ScalableChannels.h"
#include "tools/tenon/quantize/NodeAttributes.h"
#include "tools/tenon/quantize/QuantizedWriter.h"

#include <algorithm>
#include <set>

namespace tenon::driver {
namespace {

using Constants = std::map<std::string, const onnx::TensorProto *>;

enum class Axis { Unknown, Second, Last };

/// Groups of tensors that are scaled together (union and find).
class Ties {
public:
  void freeze(const std::string &name) { groups[find(name)].isFrozen = true; }

  void unite(const std::string &a, const std::string &b) {
    size_t keep = find(a), drop = find(b);
    if (keep == drop)
      return;
    Group other = std::move(groups[drop]);
    parents[drop] = keep;
    Group &group = groups[keep];
    group.isFrozen |= other.isFrozen;
    group.result.constants.insert(group.result.constants.end(), other.result.constants.begin(), other.result.constants.end());
    describe(group, other.result.channels, other.axis);
  }

  void lieAlong(const std::string &name, int64_t channels, Axis axis) { describe(groups[find(name)], channels, axis); }
  void add(const std::string &name, ChannelConstant constant) { groups[find(name)].result.constants.push_back(constant); }

  std::vector<ScalableChannels> usable() const {
    std::vector<ScalableChannels> found;
    for (size_t i = 0; i < groups.size(); i++) {
      const std::vector<ChannelConstant> &constants = groups[i].result.constants;
      auto reads = [](const ChannelConstant &constant) { return constant.reads; };
      bool isBetween = std::any_of(constants.begin(), constants.end(), reads) && !std::all_of(constants.begin(), constants.end(), reads);
      if (parents[i] == i && !groups[i].isFrozen && groups[i].result.channels > 1 && isBetween)
        found.push_back(groups[i].result);
    }
    return found;
  }

private:
  struct Group {
    ScalableChannels result;
    Axis axis = Axis::Unknown;
    bool isFrozen = false;
  };

  static void describe(Group &group, int64_t channels, Axis axis) {
    group.isFrozen |= group.result.channels && channels && group.result.channels != channels;
    group.isFrozen |= group.axis != Axis::Unknown && axis != Axis::Unknown && group.axis != axis;
    group.result.channels = std::max(group.result.channels, channels);
    if (group.axis == Axis::Unknown)
      group.axis = axis;
  }

  size_t find(const std::string &name) {
    auto [entry, isNew] = ids.try_emplace(name, parents.size());
    if (isNew) {
      parents.push_back(entry->second);
      groups.emplace_back();
    }
    size_t id = entry->second;
    while (parents[id] != id)
      id = parents[id] = parents[parents[id]];
    return id;
  }

  std::map<std::string, size_t> ids;
  std::vector<size_t> parents;
  std::vector<Group> groups;
};

class Finder {
public:
  Finder(const onnx::GraphProto &graph, const Constants &constants) : graph(graph), constants(constants) {}

  std::vector<ScalableChannels> run() {
    for (const onnx::ValueInfoProto &input : graph.input())
      ties.freeze(input.name());
    for (const onnx::ValueInfoProto &output : graph.output())
      ties.freeze(output.name());
    for (int i = 0; i < graph.node_size(); i++)
      if (!see(i, graph.node(i)))
        freezeAll(graph.node(i));
    return ties.usable();
  }

private:
  const onnx::TensorProto *floats(const onnx::NodeProto &node, int input) const {
    auto found = node.input_size() > input ? constants.find(node.input(input)) : constants.end();
    bool isKnown = found != constants.end() && found->second->data_type() == onnx::TensorProto::FLOAT && found->second->data_location() != onnx::TensorProto::EXTERNAL;
    return isKnown ? found->second : nullptr;
  }
  bool hasNone(const onnx::NodeProto &node, int input) const { return node.input_size() <= input || node.input(input).empty(); }

  void freezeAll(const onnx::NodeProto &node) {
    for (const std::string &name : node.input())
      if (!constants.contains(name))
        ties.freeze(name);
    for (const std::string &name : node.output())
      ties.freeze(name);
    for (const onnx::AttributeProto &attribute : node.attribute()) {
      for (const onnx::NodeProto &inner : attribute.g().node())
        freezeAll(inner);
      for (const onnx::GraphProto &body : attribute.graphs())
        std::for_each(body.node().begin(), body.node().end(), [&](const onnx::NodeProto &inner) { freezeAll(inner); });
    }
    // What a body gives out.
    for (const onnx::AttributeProto &attribute : node.attribute())
      for (const onnx::ValueInfoProto &output : attribute.g().output())
        ties.freeze(output.name());
  }

  /// A vector of numbers for the channels of `tensor`, which is written with it.
  bool addVector(int index, const onnx::NodeProto &node, int input, const std::string &tensor, Axis axis) {
    const onnx::TensorProto *vector = floats(node, input);
    if (!vector || vector->dims_size() != 1)
      return false;
    ties.lieAlong(tensor, vector->dims(0), axis);
    ties.add(tensor, {index, input, 1, vector->dims(0), 0, false});
    return true;
  }

  /// False: the node ties nothing.
  bool see(int index, const onnx::NodeProto &node) {
    static const std::set<std::string> through{"Relu", "LeakyRelu", "Identity"}, pools{"MaxPool", "AveragePool", "GlobalAveragePool", "GlobalMaxPool"};
    const std::string &type = node.op_type();
    if (!isStandard(node) || node.output_size() != 1 || !node.input_size() || constants.contains(node.input(0)))
      return isStandard(node) && (type == "Add" || type == "Mul") && node.output_size() == 1 && node.input_size() == 2 && seeVector(index, node, 0);
    if (type == "Conv")
      return seeConvolution(index, node);
    if (type == "MatMul" || type == "Gemm")
      return seeProduct(index, node);
    if (type == "BatchNormalization" && integer(node, "training_mode", 0) == 0)
      return seeNormalization(index, node, Axis::Second);
    if (type == "LayerNormalization" && integer(node, "axis", -1) == -1)
      return seeNormalization(index, node, Axis::Last);
    if (through.contains(type) || pools.contains(type)) {
      ties.unite(node.input(0), node.output(0));
      if (pools.contains(type))
        ties.lieAlong(node.output(0), 0, Axis::Second);
      return true;
    }
    if ((type != "Add" && type != "Mul") || node.input_size() != 2)
      return false;
    if (constants.contains(node.input(1)))
      return seeVector(index, node, 1);
    if (type == "Mul")
      return false;
    ties.unite(node.input(0), node.input(1));
    ties.unite(node.input(0), node.output(0));
    return true;
  }

  /// A sum or product of a tensor and the constant `input`.
  bool seeVector(int index, const onnx::NodeProto &node, int input) {
    const std::string &other = node.input(1 - input);
    if (constants.contains(other) || !addVector(index, node, input, node.output(0), Axis::Last))
      return false;
    if (node.op_type() == "Add")
      ties.unite(other, node.output(0));
    else
      ties.freeze(other); // the constant alone takes the scale
    return true;
  }

  bool seeNormalization(int index, const onnx::NodeProto &node, Axis axis) {
    const std::string &result = node.output(0);
    if (!addVector(index, node, 1, result, axis) || (!hasNone(node, 2) && !addVector(index, node, 2, result, axis)))
      return false;
    ties.freeze(node.input(0));
    return true;
  }

  bool seeConvolution(int index, const onnx::NodeProto &node) {
    const onnx::TensorProto *weight = floats(node, 1);
    int64_t groups = integer(node, "group", 1);
    if (!weight || weight->dims_size() < 3 || groups < 1 || weight->dims(0) % groups)
      return false;
    int64_t taps = 1;
    for (int i = 2; i < weight->dims_size(); i++)
      taps *= weight->dims(i);
    const std::string &input = node.input(0), &result = node.output(0);
    int64_t channels = weight->dims(0), depth = weight->dims(1);
    if (taps < 1 || depth < 1 || (!hasNone(node, 2) && !addVector(index, node, 2, result, Axis::Second)))
      return false;
    ties.lieAlong(input, depth * groups, Axis::Second);
    ties.lieAlong(result, channels, Axis::Second);
    ties.add(input, {index, 1, taps, depth, channels / groups * depth * taps, true});
    ties.add(result, {index, 1, depth * taps, channels, 0, false});
    return true;
  }

  bool seeProduct(int index, const onnx::NodeProto &node) {
    const onnx::TensorProto *weight = floats(node, 1);
    bool isPlain = integer(node, "transA", 0) == 0 && real(node, "alpha", 1) == 1 && real(node, "beta", 1) == 1;
    if (!weight || weight->dims_size() != 2 || weight->dims(0) < 1 || weight->dims(1) < 1 || !isPlain)
      return false;
    bool isTransposed = integer(node, "transB", 0) != 0;
    int64_t rows = weight->dims(0), columns = weight->dims(1);
    const std::string &input = node.input(0), &result = node.output(0);
    if (!hasNone(node, 2) && !addVector(index, node, 2, result, Axis::Last))
      return false;
    ChannelConstant alongRows{index, 1, columns, rows, 0, !isTransposed}, alongColumns{index, 1, 1, columns, 0, isTransposed};
    ties.lieAlong(input, isTransposed ? columns : rows, Axis::Last);
    ties.lieAlong(result, isTransposed ? rows : columns, Axis::Last);
    ties.add(input, isTransposed ? alongColumns : alongRows);
    ties.add(result, isTransposed ? alongRows : alongColumns);
    return true;
  }

  const onnx::GraphProto &graph;
  const Constants &constants;
  Ties ties;
};

} // namespace

bool ScalableChannels::isReadByDepthwise() const {
  return std::all_of(constants.begin(), constants.end(), [](const ChannelConstant &constant) { return !constant.reads || constant.size == 1; });
}

std::vector<ScalableChannels> findScalable(const onnx::GraphProto &graph, const Constants &constants) { return Finder(graph, constants).run(); }

void scaleChannels(onnx::ModelProto &model, const ScalableChannels &channels, const std::vector<float> &scales) {
  onnx::GraphProto &graph = *model.mutable_graph();
  std::set<std::string> taken;
  std::map<std::string, onnx::TensorProto> known;
  for (const onnx::TensorProto &tensor : graph.initializer()) {
    taken.insert(tensor.name());
    known[tensor.name()] = tensor;
  }
  for (const onnx::ValueInfoProto &input : graph.input())
    taken.insert(input.name());
  for (const onnx::NodeProto &node : graph.node()) {
    taken.insert(node.output().begin(), node.output().end());
    if (node.op_type() == "Constant" && attribute(node, "value"))
      known[node.output(0)] = attribute(node, "value")->t();
  }
  for (const ChannelConstant &constant : channels.constants) {
    onnx::NodeProto &node = *graph.mutable_node(constant.node);
    std::string before = node.input(constant.input), name = before + "_scaled";
    for (int i = 1; !taken.insert(name).second; i++)
      name = before + "_scaled_" + std::to_string(i);
    std::vector<float> values = floatsOf(known.at(before), before);
    for (size_t i = 0; i < values.size(); i++) {
      float scale = scales[size_t(constant.channelOf(int64_t(i)))];
      values[i] = constant.reads ? values[i] * scale : values[i] / scale;
    }
    onnx::TensorProto scaled;
    scaled.set_name(name);
    scaled.set_data_type(onnx::TensorProto::FLOAT);
    *scaled.mutable_dims() = known.at(before).dims();
    scaled.set_raw_data(values.data(), values.size() * sizeof(float));
    *graph.add_initializer() = scaled;
    known[name] = std::move(scaled);
    node.set_input(constant.input, name);
  }
}

} // namespace tenon::driver
