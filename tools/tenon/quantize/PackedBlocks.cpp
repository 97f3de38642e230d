#include "tools/tenon/quantize/PackedBlocks.h"
#include "tools/tenon/quantize/QuantizedWriter.h"

#include <limits>

namespace tenon::driver {
namespace {

/// The bytes of a tensor of bytes.
std::string bytesOf(const onnx::TensorProto &tensor) {
  if (tensor.has_raw_data())
    return tensor.raw_data();
  return {tensor.int32_data().begin(), tensor.int32_data().end()};
}

void setDims(onnx::TensorProto &tensor, int64_t rows, int64_t columns) {
  tensor.add_dims(rows);
  tensor.add_dims(columns);
}

} // namespace

bool PackedBlocks::read(const onnx::TensorProto &codes, const onnx::TensorProto &scales, const onnx::TensorProto *points) {
  constexpr int64_t kMost = std::numeric_limits<int32_t>::max();
  bool isUsual = (bits == 4 || bits == 8) && rows > 0 && depth > 0 && size > 0 && rows <= kMost && depth <= kMost && size <= kMost && depth % size == 0 && depth % 2 == 0;
  if (!isUsual || codes.data_type() != onnx::TensorProto::UINT8 || scales.data_type() != onnx::TensorProto::FLOAT || (points && points->data_type() != onnx::TensorProto::UINT8))
    return false;
  codeBytes = bytesOf(codes);
  std::vector<float> values = floatsOf(scales, scales.name());
  scaleBytes.assign(reinterpret_cast<const char *>(values.data()), values.size() * sizeof(float));
  size_t count = size_t(rows * blocks()), bytesOfRow = size_t(blocks() * bits + 7) / 8;
  if (codeBytes.size() != size_t(rows * depth * bits / 8) || values.size() != count)
    return false;
  zeros.assign(count, uint8_t(1 << (bits - 1)));
  if (!points)
    return true;
  std::string packed = bytesOf(*points);
  if (packed.size() != size_t(rows) * bytesOfRow)
    return false;
  for (size_t i = 0; i < count; i++) { // rows begin with a byte
    size_t row = i / size_t(blocks()), block = i % size_t(blocks());
    uint8_t byte = uint8_t(packed[row * bytesOfRow + block * size_t(bits) / 8]);
    zeros[i] = bits == 8 ? byte : uint8_t(byte >> (block % 2 * 4) & 15);
  }
  return true;
}

void PackedBlocks::write(onnx::TensorProto &codes, onnx::TensorProto &scales, onnx::TensorProto &points) const {
  setDims(codes, rows, depth);
  setDims(scales, rows, blocks());
  setDims(points, rows, blocks());
  codes.set_raw_data(codeBytes); // two in a byte, the first one lowest, in both
  scales.set_raw_data(scaleBytes);
  std::string packed(bits == 8 ? zeros.size() : (zeros.size() + 1) / 2, 0);
  for (size_t i = 0; i < zeros.size(); i++)
    if (bits == 8)
      packed[i] = char(zeros[i]);
    else
      packed[i / 2] = char(uint8_t(packed[i / 2]) | zeros[i] << (i % 2 * 4));
  points.set_raw_data(packed);
}

} // namespace tenon::driver
