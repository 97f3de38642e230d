#include "tools/tenon/quantize/Opset.h"
#include "tools/tenon/Failure.h"
#include "tools/tenon/quantize/GraphBodies.h"
#include "tools/tenon/quantize/NodeAttributes.h"

#include <algorithm>

namespace tenon::driver {
namespace {

bool isOnnx(const std::string &domain) { return domain.empty() || domain == "ai.onnx"; }

/// Attributes that became inputs, from input `first` on in this order. What operators changed beyond element types and what newer defaults keep is all in this file,
/// from kOldestOpset to kNewestOpset.
struct Moved {
  const char *name;
  int64_t opset;
  int first;
  std::vector<const char *> attributes;
};
const std::vector<Moved> &movedAttributes() {
  static const std::vector<Moved> moved{
      {"Squeeze", 13, 1, {"axes"}},      {"Unsqueeze", 13, 1, {"axes"}},     {"ReduceSum", 13, 1, {"axes"}},  {"ReduceMean", 18, 1, {"axes"}},
      {"ReduceMax", 18, 1, {"axes"}},    {"ReduceMin", 18, 1, {"axes"}},     {"ReduceProd", 18, 1, {"axes"}}, {"ReduceL1", 18, 1, {"axes"}},
      {"ReduceL2", 18, 1, {"axes"}},     {"ReduceLogSum", 18, 1, {"axes"}},  {"ReduceLogSumExp", 18, 1, {"axes"}}, {"ReduceSumSquare", 18, 1, {"axes"}},
      {"Split", 13, 1, {"split"}},       {"Slice", 10, 1, {"starts", "ends", "axes"}}, {"TopK", 10, 1, {"k"}}, {"Clip", 11, 1, {"min", "max"}},
      {"Pad", 11, 1, {"pads", "value"}}, {"Upsample", 9, 1, {"scales"}}};
  return moved;
}

class OpsetRaiser {
public:
  OpsetRaiser(onnx::ModelProto &model, int64_t wanted, const std::string &path, const std::string &purpose)
      : model(model), wanted(wanted), opset(opsetOf(model)), path(path), purpose(purpose), fresh(model.graph()) {}

  void run() {
    if (opset < kOldestOpset)
      fail("is of opset " + std::to_string(opset) + ", and models from opset " + std::to_string(kOldestOpset) + " on can be raised");
    if (model.functions_size())
      fail("holds functions of its own, which are not raised");
    raise(*model.mutable_graph());
    for (onnx::OperatorSetIdProto &set : *model.mutable_opset_import())
      if (isOnnx(set.domain()))
        set.set_version(wanted);
    int64_t version = wanted >= 21 ? 10 : wanted >= 19 ? 9 : 8; // of the file format: that which has the opset's element types
    model.set_ir_version(std::max(model.ir_version(), version));
  }

private:
  [[noreturn]] void fail(const std::string &what) const {
    throw Failure(path + ": " + what + "; " + purpose + " needs opset " + std::to_string(wanted) + ": export the model with it, or convert it (onnx.version_converter)");
  }
  [[noreturn]] void failAt(const onnx::NodeProto &node, const std::string &what) const {
    fail("node '" + (node.name().empty() && node.output_size() ? node.output(0) : node.name()) + "' is a " + node.op_type() + " of opset " + std::to_string(opset) + " " + what);
  }

  /// Whether the meaning changed between the model's opset and the wanted one.
  bool changesAt(int64_t newer) const { return opset < newer && newer <= wanted; }

  void raise(onnx::GraphProto &graph) {
    google::protobuf::RepeatedPtrField<onnx::NodeProto> nodes;
    nodes.Swap(graph.mutable_node());
    for (onnx::NodeProto &node : nodes) {
      forBodies(node, [this](onnx::GraphProto &body) { raise(body); });
      if (isStandard(node)) {
        moveAttributes(node);
        raiseOthers(node);
        if (bool isSoftmax = node.op_type() == "Softmax" || node.op_type() == "LogSoftmax" || node.op_type() == "Hardmax"; isSoftmax && changesAt(13) && integer(node, "axis", 1) != -1) {
          raiseSoftmax(graph, node);
          continue;
        }
      }
      *graph.add_node() = node;
    }
  }

  /// A constant that every graph sees.
  onnx::TensorProto &addConstant(const std::string &wish) {
    onnx::TensorProto *tensor = model.mutable_graph()->add_initializer();
    tensor->set_name(fresh(wish));
    return *tensor;
  }

  std::string addIntegers(const std::string &wish, const std::vector<int64_t> &values) {
    onnx::TensorProto &tensor = addConstant(wish);
    tensor.set_data_type(onnx::TensorProto::INT64);
    tensor.add_dims(int64_t(values.size()));
    tensor.set_raw_data(values.data(), values.size() * sizeof(int64_t));
    return tensor.name();
  }

  std::string constantOf(const onnx::AttributeProto &attribute, const std::string &wish) {
    if (attribute.type() == onnx::AttributeProto::INTS)
      return addIntegers(wish, {attribute.ints().begin(), attribute.ints().end()});
    if (attribute.type() == onnx::AttributeProto::INT)
      return addIntegers(wish, {attribute.i()});
    onnx::TensorProto &tensor = addConstant(wish);
    tensor.set_data_type(onnx::TensorProto::FLOAT);
    if (attribute.type() == onnx::AttributeProto::FLOATS) {
      tensor.add_dims(attribute.floats_size());
      *tensor.mutable_float_data() = attribute.floats();
    } else {
      tensor.add_float_data(attribute.f());
    }
    return tensor.name();
  }

  static void remove(onnx::NodeProto &node, const std::string &name) {
    auto &all = *node.mutable_attribute();
    all.erase(std::remove_if(all.begin(), all.end(), [&](const onnx::AttributeProto &attribute) { return attribute.name() == name; }), all.end());
  }

  void moveAttributes(onnx::NodeProto &node) {
    for (const Moved &moved : movedAttributes()) {
      if (node.op_type() != moved.name || !changesAt(moved.opset))
        continue;
      for (size_t i = 0; i < moved.attributes.size(); i++) {
        const onnx::AttributeProto *found = attribute(node, moved.attributes[i]);
        if (!found)
          continue;
        std::string constant = constantOf(*found, node.output(0) + "_" + moved.attributes[i]);
        while (node.input_size() <= moved.first + int(i))
          node.add_input("");
        node.set_input(moved.first + int(i), constant);
        remove(node, moved.attributes[i]);
      }
    }
  }

  static void setInteger(onnx::NodeProto &node, const std::string &name, int64_t value) {
    remove(node, name);
    onnx::AttributeProto *attribute = node.add_attribute();
    attribute->set_name(name);
    attribute->set_type(onnx::AttributeProto::INT);
    attribute->set_i(value);
  }

  static void setText(onnx::NodeProto &node, const std::string &name, const std::string &value) {
    onnx::AttributeProto *attribute = node.add_attribute();
    attribute->set_name(name);
    attribute->set_type(onnx::AttributeProto::STRING);
    attribute->set_s(value);
  }

  void raiseOthers(onnx::NodeProto &node) {
    const std::string type = node.op_type();
    if (type == "Split" && changesAt(18) && (node.input_size() < 2 || node.input(1).empty()))
      setInteger(node, "num_outputs", node.output_size());
    if (type == "Dropout" && changesAt(12)) {
      if (node.output_size() > 1 && !node.output(1).empty())
        failAt(node, "whose mask is read, and has another type in later ones");
      remove(node, "ratio"); // which training alone looks at
    }
    if (type == "BatchNormalization" && changesAt(9)) {
      if (integer(node, "spatial", 1) != 1)
        failAt(node, "with spatial = 0, which later ones do not have");
      remove(node, "spatial");
    }
    if (type == "RoiAlign" && changesAt(16))
      setText(node, "coordinate_transformation_mode", "output_half_pixel");
    if (type == "Scatter" && changesAt(11))
      node.set_op_type("ScatterElements");
    if ((type == "Upsample" && changesAt(10)) || (type == "Resize" && changesAt(11)))
      raiseResize(node);
    if ((type == "GroupNormalization" && changesAt(21)) || ((type == "GridSample" || type == "DFT") && changesAt(20)) || (type == "Scan" && changesAt(9)))
      failAt(node, "which means something else in later ones");
  }

  /// What resized by scales at first did so from the corner, and took the neighbour below.
  static void raiseResize(onnx::NodeProto &node) {
    std::string scales = node.input(1);
    node.set_op_type("Resize");
    node.set_input(1, "");
    node.add_input(scales);
    setText(node, "coordinate_transformation_mode", "asymmetric");
    setText(node, "nearest_mode", "floor");
  }

  /// Before opset 13 all axes from `axis` on counted as one.
  void raiseSoftmax(onnx::GraphProto &graph, onnx::NodeProto node) {
    std::string input = node.input(0), result = node.output(0);
    auto add = [&](const std::string &type, const std::vector<std::string> &inputs, const std::string &output) {
      onnx::NodeProto *made = graph.add_node();
      made->set_op_type(type);
      made->set_name(output);
      for (const std::string &each : inputs)
        made->add_input(each);
      made->add_output(output);
      return made;
    };
    std::string shape = fresh(result + "_shape"), flat = fresh(result + "_flat"), part = fresh(result + "_part");
    add("Shape", {input}, shape);
    setInteger(*add("Flatten", {input}, flat), "axis", integer(node, "axis", 1));
    node.set_input(0, flat);
    node.set_output(0, part);
    setInteger(node, "axis", -1);
    *graph.add_node() = node;
    add("Reshape", {part, shape}, result);
  }

  onnx::ModelProto &model;
  int64_t wanted, opset;
  std::string path, purpose;
  FreshNames fresh;
};

} // namespace

int64_t opsetOf(const onnx::ModelProto &model) {
  int64_t opset = 0;
  for (const onnx::OperatorSetIdProto &set : model.opset_import())
    if (isOnnx(set.domain()))
      opset = set.version();
  return opset;
}

void raiseOpset(onnx::ModelProto &model, int64_t wanted, const std::string &path, const std::string &purpose) {
  if (opsetOf(model) < wanted)
    OpsetRaiser(model, wanted, path, purpose).run();
}

} // namespace tenon::driver
