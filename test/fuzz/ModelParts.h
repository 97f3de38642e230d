// All that a mutation may change of a model, at every depth of subgraphs and functions.
#pragma once
#include "lib/Importer/OnnxProto.h"

#include <string>
#include <vector>

namespace tenon::fuzz {

using NodeList = google::protobuf::RepeatedPtrField<onnx::NodeProto>;

/// Pointers into the model, valid until it changes.
struct ModelParts {
  explicit ModelParts(onnx::ModelProto &model);

  std::vector<onnx::GraphProto *> graphs; // the model's own first
  std::vector<NodeList *> lists;          // of graphs and functions
  std::vector<onnx::NodeProto *> nodes;
  std::vector<onnx::AttributeProto *> attributes;
  std::vector<onnx::TensorProto *> tensors; // initializers, and those in attributes
  std::vector<onnx::TypeProto *> types;     // of inputs, outputs and values between
  std::vector<std::string> names;           // of values, repeated as often as they occur

private:
  void add(onnx::GraphProto &graph);
  void add(NodeList &list);
  void add(google::protobuf::RepeatedPtrField<onnx::ValueInfoProto> &values);
};

} // namespace tenon::fuzz
