// Builds ONNX models in memory and imports them, for tests.
#pragma once
#include "lib/Importer/Importer.h"
#include "lib/Importer/OnnxProto.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/MLIRContext.h"
#include <string>
#include <vector>

namespace tenon::importer::test {

/// One size of a shape: a number, a name, or nothing known (an empty name).
struct Size {
  Size(int64_t value) : value(value) {}
  Size(const char *name) : name(name) {}
  int64_t value = -1;
  std::string name;
};

class ModelBuilder {
public:
  explicit ModelBuilder(int64_t opset = 17, int64_t irVersion = 8);

  ModelBuilder &input(const std::string &name, const std::vector<Size> &shape, int32_t type = onnx::TensorProto::FLOAT);
  ModelBuilder &output(const std::string &name, int32_t type = onnx::TensorProto::FLOAT);
  /// An initializer with raw data.
  ModelBuilder &weights(const std::string &name, const std::vector<int64_t> &shape, const std::vector<float> &values);
  ModelBuilder &integers(const std::string &name, const std::vector<int64_t> &values);
  /// The node's name is its first output's, with '/' in front. Attributes are added to the message that is returned.
  onnx::NodeProto &node(const std::string &type, const std::vector<std::string> &inputs, const std::vector<std::string> &outputs);
  std::string bytes() const { return model.SerializeAsString(); }

  onnx::ModelProto model;
  onnx::GraphProto &graph;
};

void setInteger(onnx::NodeProto &node, const std::string &name, int64_t value);
void setIntegers(onnx::NodeProto &node, const std::string &name, const std::vector<int64_t> &values);
void setText(onnx::NodeProto &node, const std::string &name, const std::string &value);

/// What an import gave: the module's text, or the diagnostics.
struct Imported {
  bool ok = false;
  std::string text;
  std::string message;
  /// The types of @main: "(tensor<1x3xf32>) -> tensor<1x3xf32>".
  std::string signature;
  /// How many ops of a name the function has.
  int count(const std::string &op) const;
};
Imported importBytes(const std::string &bytes, const ImportOptions &options = {});
Imported importPath(const std::string &path, const ImportOptions &options = {});
inline Imported import(const ModelBuilder &builder, const ImportOptions &options = {}) { return importBytes(builder.bytes(), options); }

} // namespace tenon::importer::test
