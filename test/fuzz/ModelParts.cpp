#include "test/fuzz/ModelParts.h"

namespace tenon::fuzz {

ModelParts::ModelParts(onnx::ModelProto &model) {
  add(*model.mutable_graph());
  for (onnx::FunctionProto &function : *model.mutable_functions())
    add(*function.mutable_node());
}

void ModelParts::add(onnx::GraphProto &graph) {
  graphs.push_back(&graph);
  add(*graph.mutable_input());
  add(*graph.mutable_output());
  add(*graph.mutable_value_info());
  for (onnx::TensorProto &tensor : *graph.mutable_initializer()) {
    tensors.push_back(&tensor);
    names.push_back(tensor.name());
  }
  add(*graph.mutable_node());
}

void ModelParts::add(google::protobuf::RepeatedPtrField<onnx::ValueInfoProto> &values) {
  for (onnx::ValueInfoProto &value : values) {
    if (value.has_type())
      types.push_back(value.mutable_type());
    names.push_back(value.name());
  }
}

void ModelParts::add(NodeList &list) {
  lists.push_back(&list);
  for (onnx::NodeProto &node : list) {
    nodes.push_back(&node);
    names.insert(names.end(), node.output().begin(), node.output().end());
    for (onnx::AttributeProto &attribute : *node.mutable_attribute()) {
      attributes.push_back(&attribute);
      if (attribute.has_t())
        tensors.push_back(attribute.mutable_t());
      if (attribute.has_g())
        add(*attribute.mutable_g());
    }
  }
}

} // namespace tenon::fuzz
