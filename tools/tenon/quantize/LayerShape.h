// A layer as a product: each result is a row of its input times a row of its weights.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

namespace onnx {
class NodeProto;
class TensorProto;
} // namespace onnx

namespace tenon::driver {

/// Where a convolution's taps lie, and how the weights of any layer are laid out.
struct LayerShape {
  int64_t channels = 0; // of the result
  int64_t depth = 0;    // what each result sums over: input channels of its group times taps
  int64_t groups = 1;
  bool isTransposed = false; // the weights are [depth, channels]

  bool isConvolution = false;
  std::vector<int64_t> kernel, strides, dilations, padsBefore, padsAfter; // by spatial axis
  bool padsToInput = false, padsMoreBefore = false;                       // auto_pad: SAME_UPPER or SAME_LOWER

  /// Numbers in a row of the input: those of all groups.
  int64_t rowSize() const { return groups * depth; }
  /// Weights as [channels][depth].
  std::vector<float> weightRows(const std::vector<float> &weights) const;
  /// The other way round.
  template <typename T> std::vector<T> asStored(const std::vector<T> &rows) const;
};

/// The node is a Conv, or a Gemm or MatMul whose weights have two axes and results along `axis`.
LayerShape shapeOf(const onnx::NodeProto &node, const onnx::TensorProto &weight, int64_t axis);

/// The rows of one input tensor. Taps in the padding are 0.
class LayerRows {
public:
  /// `dims` of the input. No rows where it does not fit the layer.
  LayerRows(const LayerShape &shape, const float *input, std::vector<int64_t> dims);
  int64_t count() const { return rows; }
  /// Writes rowSize() numbers.
  void read(int64_t row, float *out) const;

private:
  void readTaps(int64_t row, float *out) const;

  const LayerShape &shape;
  const float *input;
  std::vector<int64_t> dims, results, pads; // results and pads: by spatial axis
  int64_t rows = 0;
};

template <typename T> std::vector<T> LayerShape::asStored(const std::vector<T> &rows) const {
  if (!isTransposed)
    return rows;
  std::vector<T> stored(rows.size());
  for (int64_t c = 0; c < channels; c++)
    for (int64_t d = 0; d < depth; d++)
      stored[size_t(d * channels + c)] = rows[size_t(c * depth + d)];
  return stored;
}

} // namespace tenon::driver
