// Graphs inside nodes, and names that none of them has.
#pragma once
#include "onnx-ml.pb.h"

#include <set>
#include <string>

namespace tenon::driver {

/// Calls `visit` with the bodies of a node, as of If and Loop.
template <typename Visit> void forBodies(const onnx::NodeProto &node, Visit visit) {
  for (const onnx::AttributeProto &attribute : node.attribute()) {
    if (attribute.has_g())
      visit(attribute.g());
    for (const onnx::GraphProto &body : attribute.graphs())
      visit(body);
  }
}
template <typename Visit> void forBodies(onnx::NodeProto &node, Visit visit) {
  for (onnx::AttributeProto &attribute : *node.mutable_attribute()) {
    if (attribute.has_g())
      visit(*attribute.mutable_g());
    for (onnx::GraphProto &body : *attribute.mutable_graphs())
      visit(body);
  }
}

class FreshNames {
public:
  explicit FreshNames(const onnx::GraphProto &graph) { take(graph); }

  /// `wish`, with a number behind it where that is taken.
  std::string operator()(const std::string &wish) {
    std::string name = wish;
    for (int i = 1; !taken.insert(name).second; i++)
      name = wish + "_" + std::to_string(i);
    return name;
  }

private:
  void take(const onnx::GraphProto &graph) {
    for (const onnx::TensorProto &tensor : graph.initializer())
      taken.insert(tensor.name());
    for (const onnx::ValueInfoProto &input : graph.input())
      taken.insert(input.name());
    for (const onnx::NodeProto &node : graph.node()) {
      taken.insert(node.name());
      taken.insert(node.output().begin(), node.output().end());
      forBodies(node, [this](const onnx::GraphProto &body) { take(body); });
    }
  }

  std::set<std::string> taken;
};

} // namespace tenon::driver
