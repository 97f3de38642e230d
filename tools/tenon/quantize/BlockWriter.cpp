// Weights in blocks: what QuantizedWriter writes of them.
#include "tools/tenon/quantize/QuantizedWriter.h"

namespace tenon::driver {
namespace {

constexpr int64_t kBlockedOpset = 21, kFourBitVersion = 10; // from which DequantizeLinear knows blocks, and files 4-bit integers

/// As they lie in files: of 4 bits two in a byte, the first one lowest. `offset` is added to each.
std::string packed(const std::vector<int8_t> &codes, int bits, int offset) {
  std::string bytes;
  if (bits == 8) {
    for (int8_t code : codes)
      bytes.push_back(char(code + offset));
    return bytes;
  }
  auto low = [&](size_t i) { return i < codes.size() ? unsigned(codes[i] + offset) & 15 : 0; };
  for (size_t i = 0; i < codes.size(); i += 2)
    bytes.push_back(char(low(i) | low(i + 1) << 4));
  return bytes;
}

template <typename T> std::vector<T> transposed(const std::vector<T> &values, int64_t rows) {
  int64_t columns = int64_t(values.size()) / rows;
  std::vector<T> result(values.size());
  for (int64_t r = 0; r < rows; r++)
    for (int64_t c = 0; c < columns; c++)
      result[size_t(c * rows + r)] = values[size_t(r * columns + c)];
  return result;
}

void setInteger(onnx::NodeProto &node, const char *name, int64_t value) {
  onnx::AttributeProto *attribute = node.add_attribute();
  attribute->set_name(name);
  attribute->set_type(onnx::AttributeProto::INT);
  attribute->set_i(value);
}

std::string bytesOf(const std::vector<float> &values) { return {reinterpret_cast<const char *>(values.data()), values.size() * sizeof(float)}; }

} // namespace

onnx::TensorProto *QuantizedWriter::addTensor(const std::string &wish, const std::vector<int64_t> &dims) {
  onnx::TensorProto *tensor = model.mutable_graph()->add_initializer();
  tensor->set_name(fresh(wish));
  tensor->mutable_dims()->Add(dims.begin(), dims.end());
  return tensor;
}

void QuantizedWriter::blockLayer(const QuantizableLayer &layer, const WeightBlocks &blocks) {
  if (opset < kBlockedOpset)
    return multiplyBlocks(layer, blocks);
  auto [known, isNew] = blocked.try_emplace(layer.weight);
  if (isNew)
    known->second = {dequantizedBlocks(layer, blocks)};
  model.mutable_graph()->mutable_node(layer.node)->set_input(1, known->second.front());
}

std::string QuantizedWriter::dequantizedBlocks(const QuantizableLayer &layer, const WeightBlocks &blocks) {
  bool isTransposed = layer.axis == 1; // stored as [depth, rows]
  auto dims = [&](int64_t along) { return isTransposed ? std::vector<int64_t>{along, blocks.rows} : std::vector<int64_t>{blocks.rows, along}; };
  onnx::TensorProto *codes = addTensor(layer.weight + "_quantized", dims(blocks.depth));
  codes->set_data_type(blocks.bits == 4 ? onnx::TensorProto::INT4 : onnx::TensorProto::INT8);
  codes->set_raw_data(packed(isTransposed ? transposed(blocks.codes, blocks.rows) : blocks.codes, blocks.bits, 0));
  std::string name = codes->name();
  onnx::TensorProto *scales = addTensor(layer.weight + "_scale", dims(blocks.count()));
  scales->set_data_type(onnx::TensorProto::FLOAT);
  scales->set_raw_data(bytesOf(isTransposed ? transposed(blocks.scales, blocks.rows) : blocks.scales));
  onnx::NodeProto dequantize = node("DequantizeLinear", {name, scales->name()}, fresh(layer.weight + "_dequantized"), 1 - layer.axis);
  setInteger(dequantize, "block_size", blocks.size);
  first.push_back(dequantize);
  if (model.ir_version() < kFourBitVersion)
    model.set_ir_version(kFourBitVersion);
  return dequantize.output(0);
}

void QuantizedWriter::multiplyBlocks(const QuantizableLayer &layer, const WeightBlocks &blocks) {
  importMicrosoft();
  auto [known, isNew] = blocked.try_emplace(layer.weight);
  if (isNew) {
    WeightBlocks whole = blocks; // the last block of a row has all of its elements
    whole.codes.assign(size_t(blocks.rows * blocks.count() * blocks.size), 0);
    for (int64_t row = 0; row < blocks.rows; row++)
      std::copy_n(blocks.codes.begin() + row * blocks.depth, blocks.depth, whole.codes.begin() + row * blocks.count() * blocks.size);
    onnx::TensorProto *tensor = addTensor(layer.weight + "_quantized", {blocks.rows, blocks.count(), blocks.size * blocks.bits / 8});
    tensor->set_data_type(onnx::TensorProto::UINT8);
    tensor->set_raw_data(packed(whole.codes, blocks.bits, 1 << (blocks.bits - 1)));
    known->second.push_back(tensor->name());
    tensor = addTensor(layer.weight + "_scale", {blocks.rows * blocks.count()});
    tensor->set_data_type(onnx::TensorProto::FLOAT);
    tensor->set_raw_data(bytesOf(blocks.scales));
    known->second.push_back(tensor->name());
  }
  onnx::NodeProto *product = model.mutable_graph()->mutable_node(layer.node);
  std::vector<std::string> inputs{product->input(0), known->second[0], known->second[1]};
  if (!layer.bias.empty())
    inputs.insert(inputs.end(), {"", "", layer.bias});
  product->set_op_type("MatMulNBits");
  product->set_domain(kMicrosoft);
  product->clear_attribute();
  product->clear_input();
  for (const std::string &input : inputs)
    product->add_input(input);
  setInteger(*product, "K", blocks.depth);
  setInteger(*product, "N", blocks.rows);
  setInteger(*product, "bits", blocks.bits);
  setInteger(*product, "block_size", blocks.size);
}

} // namespace tenon::driver
