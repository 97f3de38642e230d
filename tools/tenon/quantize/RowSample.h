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
  /// The largest magnitude of each channel of the inputs: few rows miss what is rare. That of one input which lies more than 16 times beyond those of all others
  /// is an accident, and does not count. Products have a channel for each number of a row.
  std::vector<float> largest() const;

private:
  uint64_t random();
  void measure(const float *input, const std::vector<int64_t> &dims);

  LayerShape layer;
  size_t capacity;
  uint64_t state, seen = 0;
  std::vector<float> values, magnitudes, others; // others: the largest magnitudes beside that of the input with the largest one
};

/// How many rows are kept of each of these layers: several times what its sums are over, as far as `bytes` for all of them allow.
std::vector<size_t> rowCapacities(const std::vector<LayerShape> &layers, size_t bytes);

} // namespace tenon::driver
