// Rows of a layer's input, drawn evenly from all that calibration sees.
#pragma once
#include "tools/tenon/quantize/LayerShape.h"

namespace tenon::driver {

/// A sample of fixed size of a stream of unknown length: each row is in it with the same probability (J. Vitter's algorithm R). The same stream gives the
/// same sample.
class RowSample {
public:
  /// `capacity` in rows; `seed` tells streams apart.
  RowSample(LayerShape shape, size_t capacity, uint64_t seed) : layer(std::move(shape)), capacity(capacity), state(seed) {}

  /// Sees the rows of one input tensor.
  void add(const float *input, const std::vector<int64_t> &dims);

  const LayerShape &shape() const { return layer; }
  size_t rows() const { return layer.rowSize() ? values.size() / size_t(layer.rowSize()) : 0; }
  /// Row-major.
  const std::vector<float> &data() const { return values; }

private:
  uint64_t random();

  LayerShape layer;
  size_t capacity;
  uint64_t state, seen = 0;
  std::vector<float> values;
};

/// How many rows are kept of each of these layers: several times what its sums are over, as far as `bytes` for all of them allow.
std::vector<size_t> rowCapacities(const std::vector<LayerShape> &layers, size_t bytes);

} // namespace tenon::driver
