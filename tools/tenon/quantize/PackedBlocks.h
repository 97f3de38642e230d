// The weights of com.microsoft's MatMulNBits as DequantizeLinear reads them in blocks.
#pragma once
#include "onnx-ml.pb.h"

#include <cstdint>
#include <string>
#include <vector>

namespace tenon::driver {

class PackedBlocks {
public:
  /// N, K, block_size and bits of the node.
  PackedBlocks(int64_t rows, int64_t depth, int64_t size, int64_t bits) : size(size), rows(rows), depth(depth), bits(bits) {}

  const int64_t size; // of a block
  int type() const { return bits == 4 ? onnx::TensorProto::UINT4 : onnx::TensorProto::UINT8; }
  /// False where these are no whole blocks of 4 or 8 bits with a scale in f32 each; null points are the middle of the range.
  bool read(const onnx::TensorProto &codes, const onnx::TensorProto &scales, const onnx::TensorProto *points);
  /// [rows, depth], [rows, blocks] and [rows, blocks].
  void write(onnx::TensorProto &codes, onnx::TensorProto &scales, onnx::TensorProto &points) const;

private:
  int64_t blocks() const { return depth / size; }

  const int64_t rows, depth, bits;
  std::string codeBytes, scaleBytes;
  std::vector<uint8_t> zeros; // one of each block
};

} // namespace tenon::driver
