#include "test/unit/Importer/ModelBuilder.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/Verifier.h"

namespace tenon::importer::test {
using namespace mlir;

ModelBuilder::ModelBuilder(int64_t opset, int64_t irVersion) : graph(*model.mutable_graph()) {
  model.set_ir_version(irVersion);
  model.set_producer_name("test");
  model.add_opset_import()->set_version(opset);
  graph.set_name("model");
}

static void setType(onnx::ValueInfoProto &info, const std::string &name, int32_t type) {
  info.set_name(name);
  info.mutable_type()->mutable_tensor_type()->set_elem_type(type);
}

ModelBuilder &ModelBuilder::input(const std::string &name, const std::vector<Size> &shape, int32_t type) {
  onnx::ValueInfoProto &info = *graph.add_input();
  setType(info, name, type);
  auto &dims = *info.mutable_type()->mutable_tensor_type()->mutable_shape();
  for (const Size &size : shape) {
    auto &dim = *dims.add_dim();
    if (size.value >= 0)
      dim.set_dim_value(size.value);
    else if (!size.name.empty())
      dim.set_dim_param(size.name);
  }
  return *this;
}

ModelBuilder &ModelBuilder::output(const std::string &name, int32_t type) {
  setType(*graph.add_output(), name, type);
  return *this;
}

ModelBuilder &ModelBuilder::weights(const std::string &name, const std::vector<int64_t> &shape, const std::vector<float> &values) {
  onnx::TensorProto &tensor = *graph.add_initializer();
  tensor.set_name(name);
  tensor.set_data_type(onnx::TensorProto::FLOAT);
  for (int64_t size : shape)
    tensor.add_dims(size);
  tensor.set_raw_data(values.data(), values.size() * sizeof(float));
  return *this;
}

ModelBuilder &ModelBuilder::integers(const std::string &name, const std::vector<int64_t> &values) {
  onnx::TensorProto &tensor = *graph.add_initializer();
  tensor.set_name(name);
  tensor.set_data_type(onnx::TensorProto::INT64);
  tensor.add_dims(values.size());
  for (int64_t value : values)
    tensor.add_int64_data(value);
  return *this;
}

onnx::NodeProto &ModelBuilder::node(const std::string &type, const std::vector<std::string> &inputs, const std::vector<std::string> &outputs) {
  onnx::NodeProto &node = *graph.add_node();
  node.set_op_type(type);
  node.set_name("/" + outputs.front());
  for (const std::string &name : inputs)
    node.add_input(name);
  for (const std::string &name : outputs)
    node.add_output(name);
  return node;
}

static onnx::AttributeProto &add(onnx::NodeProto &node, const std::string &name, onnx::AttributeProto::AttributeType type) {
  onnx::AttributeProto &attribute = *node.add_attribute();
  attribute.set_name(name);
  attribute.set_type(type);
  return attribute;
}
void setInteger(onnx::NodeProto &node, const std::string &name, int64_t value) { add(node, name, onnx::AttributeProto::INT).set_i(value); }
void setText(onnx::NodeProto &node, const std::string &name, const std::string &value) { add(node, name, onnx::AttributeProto::STRING).set_s(value); }
void setIntegers(onnx::NodeProto &node, const std::string &name, const std::vector<int64_t> &values) {
  onnx::AttributeProto &attribute = add(node, name, onnx::AttributeProto::INTS);
  for (int64_t value : values)
    attribute.add_ints(value);
}

int Imported::count(const std::string &op) const {
  int count = 0;
  for (size_t at = text.find(op + " "); at != std::string::npos; at = text.find(op + " ", at + 1))
    ++count;
  return count;
}

template <typename Import> static Imported run(Import import) {
  MLIRContext context(MLIRContext::Threading::DISABLED);
  Imported out;
  ScopedDiagnosticHandler handler(&context, [&](Diagnostic &diagnostic) {
    out.message += diagnostic.str() + "\n";
    return success();
  });
  FailureOr<OwningOpRef<ModuleOp>> module = import(&context);
  if (failed(module))
    return out;
  out.ok = succeeded(verify(**module));
  llvm::raw_string_ostream(out.signature) << (*module)->lookupSymbol<func::FuncOp>("main").getFunctionType();
  OpPrintingFlags flags;
  flags.elideLargeResourceString(16);
  llvm::raw_string_ostream stream(out.text);
  (*module)->print(stream, flags);
  return out;
}

Imported importBytes(const std::string &bytes, const ImportOptions &options) {
  return run([&](MLIRContext *context) { return importOnnx(context, llvm::MemoryBuffer::getMemBufferCopy(bytes), "model.onnx", options); });
}
Imported importPath(const std::string &path, const ImportOptions &options) {
  return run([&](MLIRContext *context) { return importOnnx(context, path, options); });
}

} // namespace tenon::importer::test
