#include "tools/tenon/quantize/RowSample.h"

#include <algorithm>
#include <cmath>

namespace tenon::driver {

uint64_t RowSample::random() { // splitmix64
  uint64_t z = state += 0x9e3779b97f4a7c15;
  z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
  z = (z ^ z >> 27) * 0x94d049bb133111eb;
  return z ^ z >> 31;
}

void RowSample::measure(const float *input, const std::vector<int64_t> &dims) {
  // Behind the samples of a convolution, and along the last axis of a product.
  size_t axis = layer.isConvolution ? 1 : dims.size() - 1, channels = size_t(dims[axis]), before = 1, inner = 1;
  for (size_t i = 0; i < axis; i++)
    before *= size_t(dims[i]);
  for (size_t i = axis + 1; i < dims.size(); i++)
    inner *= size_t(dims[i]);
  std::vector<float> here(channels, 0);
  for (size_t i = 0; i < before * channels; i++) {
    float &largest = here[i % channels];
    for (const float *value = input + i * inner; value < input + (i + 1) * inner; value++)
      largest = std::max(largest, std::abs(*value));
  }
  magnitudes.resize(channels, 0);
  others.resize(channels, 0);
  for (size_t c = 0; c < channels; c++) {
    others[c] = std::max(others[c], std::min(magnitudes[c], here[c]));
    magnitudes[c] = std::max(magnitudes[c], here[c]);
  }
}

std::vector<float> RowSample::largest() const {
  constexpr float kTimesBeyond = 16;
  std::vector<float> usual = magnitudes;
  for (size_t c = 0; c < usual.size(); c++)
    if (others[c] > 0 && magnitudes[c] > kTimesBeyond * others[c])
      usual[c] = others[c];
  return usual;
}

void RowSample::add(const float *input, const std::vector<int64_t> &dims) {
  LayerRows given(layer, input, dims);
  size_t size = size_t(layer.rowSize());
  if (!size || !given.count())
    return;
  measure(input, dims);
  for (int64_t row = 0; row < given.count(); row++, seen++) {
    size_t place = seen < capacity ? size_t(seen) : size_t(random() % (seen + 1));
    if (place >= capacity)
      continue;
    if (place >= rows())
      values.resize((place + 1) * size);
    given.read(row, values.data() + place * size);
  }
}

std::vector<size_t> rowCapacities(const std::vector<LayerShape> &layers, size_t bytes) {
  constexpr double kTimesDepth = 4, kFewest = 512, kMost = 4096, kLeast = 32;
  auto wanted = [=](const LayerShape &layer) { return std::clamp(double(layer.depth) * kTimesDepth, kFewest, kMost); };
  double needed = 0;
  for (const LayerShape &layer : layers)
    needed += wanted(layer) * double(layer.rowSize()) * sizeof(float);
  double share = std::min(1.0, double(bytes) / std::max(needed, 1.0));
  std::vector<size_t> capacities;
  for (const LayerShape &layer : layers)
    capacities.push_back(size_t(std::max(wanted(layer) * share, kLeast)));
  return capacities;
}

} // namespace tenon::driver
