#include "tools/tenon/quantize/LayerShape.h"
#include "tools/tenon/quantize/NodeAttributes.h"

#include <algorithm>
#include <cstring>

namespace tenon::driver {

LayerShape shapeOf(const onnx::NodeProto &node, const onnx::TensorProto &weight, int64_t axis) {
  LayerShape shape;
  shape.channels = weight.dims(int(axis));
  shape.isConvolution = node.op_type() == "Conv";
  if (!shape.isConvolution) {
    shape.isTransposed = axis == 1;
    shape.depth = weight.dims(axis == 1 ? 0 : 1);
    return shape;
  }
  shape.kernel.assign(weight.dims().begin() + 2, weight.dims().end());
  shape.groups = std::max<int64_t>(integer(node, "group", 1), 1);
  shape.depth = weight.dims(1);
  for (int64_t size : shape.kernel)
    shape.depth *= size;
  size_t rank = shape.kernel.size();
  auto filled = [&](const char *name, int64_t value, size_t size) {
    std::vector<int64_t> found = integers(node, name, {});
    found.resize(size, value);
    return found;
  };
  shape.strides = filled("strides", 1, rank);
  shape.dilations = filled("dilations", 1, rank);
  std::vector<int64_t> pads = filled("pads", 0, 2 * rank);
  const onnx::AttributeProto *automatic = attribute(node, "auto_pad");
  std::string mode = automatic ? automatic->s() : "NOTSET";
  if (mode == "VALID")
    std::fill(pads.begin(), pads.end(), 0);
  shape.padsToInput = mode.starts_with("SAME");
  shape.padsMoreBefore = mode == "SAME_LOWER";
  shape.padsBefore.assign(pads.begin(), pads.begin() + int64_t(rank));
  shape.padsAfter.assign(pads.begin() + int64_t(rank), pads.end());
  return shape;
}

std::vector<float> LayerShape::weightRows(const std::vector<float> &weights) const {
  if (!isTransposed)
    return weights;
  std::vector<float> rows(weights.size());
  for (int64_t c = 0; c < channels; c++)
    for (int64_t d = 0; d < depth; d++)
      rows[size_t(c * depth + d)] = weights[size_t(d * channels + c)];
  return rows;
}

LayerRows::LayerRows(const LayerShape &shape, const float *input, std::vector<int64_t> given) : shape(shape), input(input), dims(std::move(given)) {
  if (!shape.isConvolution) {
    if (dims.empty() || dims.back() != shape.depth)
      return;
    rows = 1;
    for (size_t i = 0; i + 1 < dims.size(); i++)
      rows *= dims[i];
    return;
  }
  size_t rank = shape.kernel.size();
  int64_t taps = 1;
  for (int64_t size : shape.kernel)
    taps *= size;
  if (dims.size() != rank + 2 || taps < 1 || dims[1] * taps != shape.rowSize())
    return;
  int64_t count = dims[0];
  for (size_t i = 0; i < rank; i++) {
    int64_t reach = (shape.kernel[i] - 1) * shape.dilations[i] + 1, stride = std::max<int64_t>(shape.strides[i], 1), size = dims[i + 2];
    int64_t before = shape.padsBefore[i], result = (size + before + shape.padsAfter[i] - reach) / stride + 1;
    if (shape.padsToInput) {
      result = (size + stride - 1) / stride;
      int64_t all = std::max<int64_t>((result - 1) * stride + reach - size, 0);
      before = shape.padsMoreBefore ? all - all / 2 : all / 2;
    }
    results.push_back(result);
    pads.push_back(before);
    count *= std::max<int64_t>(result, 0);
  }
  rows = count;
}

void LayerRows::read(int64_t row, float *out) const {
  if (shape.isConvolution)
    return readTaps(row, out);
  std::memcpy(out, input + row * shape.depth, size_t(shape.depth) * sizeof(float));
}

void LayerRows::readTaps(int64_t row, float *out) const {
  size_t rank = shape.kernel.size();
  std::vector<int64_t> origin(rank), tap(rank, 0);
  for (size_t i = rank; i-- > 0; row /= results[i])
    origin[i] = row % results[i] * shape.strides[i] - pads[i];
  int64_t channels = dims[1], image = 1, taps = 1;
  for (size_t i = 0; i < rank; i++)
    image *= dims[i + 2], taps *= shape.kernel[i];
  const float *sample = input + row * channels * image; // what is left of it counts samples
  for (int64_t t = 0; t < taps; t++) {
    int64_t offset = 0;
    bool isInside = true;
    for (size_t i = 0; i < rank; i++) {
      int64_t at = origin[i] + tap[i] * shape.dilations[i];
      isInside &= at >= 0 && at < dims[i + 2];
      offset = offset * dims[i + 2] + at;
    }
    for (int64_t c = 0; c < channels; c++)
      out[c * taps + t] = isInside ? sample[c * image + offset] : 0;
    for (size_t i = rank; i-- > 0 && ++tap[i] == shape.kernel[i];)
      tap[i] = 0;
  }
}

} // namespace tenon::driver
