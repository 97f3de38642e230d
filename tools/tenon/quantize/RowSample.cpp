#include "tools/tenon/quantize/RowSample.h"

#include <algorithm>

namespace tenon::driver {

uint64_t RowSample::random() { // splitmix64
  uint64_t z = state += 0x9e3779b97f4a7c15;
  z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
  z = (z ^ z >> 27) * 0x94d049bb133111eb;
  return z ^ z >> 31;
}

void RowSample::add(const float *input, const std::vector<int64_t> &dims) {
  LayerRows given(layer, input, dims);
  size_t size = size_t(layer.rowSize());
  if (!size)
    return;
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
