// Attributes of ONNX nodes, with what they are where they are missing.
#pragma once
#include "onnx-ml.pb.h"

#include <string>
#include <vector>

namespace tenon::driver {

inline const onnx::AttributeProto *attribute(const onnx::NodeProto &node, const std::string &name) {
  for (const onnx::AttributeProto &attribute : node.attribute())
    if (attribute.name() == name)
      return &attribute;
  return nullptr;
}

inline int64_t integer(const onnx::NodeProto &node, const std::string &name, int64_t otherwise) {
  const onnx::AttributeProto *found = attribute(node, name);
  return found ? found->i() : otherwise;
}

inline float real(const onnx::NodeProto &node, const std::string &name, float otherwise) {
  const onnx::AttributeProto *found = attribute(node, name);
  return found ? found->f() : otherwise;
}

inline std::vector<int64_t> integers(const onnx::NodeProto &node, const std::string &name, std::vector<int64_t> otherwise) {
  const onnx::AttributeProto *found = attribute(node, name);
  return found ? std::vector<int64_t>(found->ints().begin(), found->ints().end()) : otherwise;
}

inline bool isStandard(const onnx::NodeProto &node) { return node.domain().empty() || node.domain() == "ai.onnx"; }

} // namespace tenon::driver
