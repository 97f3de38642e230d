#include "test/unit/codegen/gpu/MappedTensor.h"
#include <cstring>

namespace tenon::test {

int64_t MappedTensor::tileBytes() const {
  int64_t bytes = map.elementBytes;
  for (uint32_t size : map.box)
    bytes *= size;
  return bytes;
}

/// box[0] neighbours from `at` on, which become the line of that number.
void MappedTensor::copyElements(uint8_t *to, uint32_t address, int64_t line, const std::vector<int64_t> &at) const {
  int64_t bytes = map.elementBytes, lineBytes = map.box[0] * bytes;
  bool isInside = true;
  int64_t offset = int64_t(map.offset);
  for (size_t axis = 1; axis < at.size(); ++axis) {
    isInside &= at[axis] >= 0 && at[axis] < int64_t(map.sizes[axis]);
    offset += at[axis] * int64_t(map.strides[axis - 1]);
  }
  for (int64_t i = 0; i < int64_t(map.box[0]); ++i) {
    int64_t place = line * lineBytes + i * bytes, column = at[0] + i * map.steps[0];
    if (map.swizzleBytes) { // of an address, which begins at a multiple of what is exchanged
      uint32_t absolute = address + uint32_t(place), mask = map.swizzleBytes / 16 - 1;
      place = (absolute ^ ((absolute >> 7 & mask) << 4)) - address;
    }
    if (isInside && column >= 0 && column < int64_t(map.sizes[0]))
      std::memcpy(to + place, memory + offset + column * bytes, bytes);
    else
      std::memset(to + place, 0, bytes);
  }
}

/// Pixels from `at` on, in the order of rows, inside the box whose corners the map gives; a tap is added to where they are read.
void MappedTensor::copyPixels(uint8_t *to, uint32_t address, std::vector<int64_t> at, const std::vector<int64_t> &taps) const {
  size_t images = at.size() - 1;
  for (int64_t pixel = 0; pixel < int64_t(map.box[1]); ++pixel) {
    std::vector<int64_t> from = at;
    for (size_t axis = 1; axis < images; ++axis)
      from[axis] += taps[axis - 1];
    copyElements(to, address, pixel, from);
    for (size_t axis = 1; axis <= images; ++axis) {
      at[axis] += axis < images ? map.steps[axis] : 1;
      if (axis == images || at[axis] < int64_t(map.sizes[axis]) + map.upper[axis - 1])
        break;
      at[axis] = map.lower[axis - 1];
    }
  }
}

void MappedTensor::copyTo(uint8_t *to, uint32_t address, const std::vector<int64_t> &at, const std::vector<int64_t> &taps) const {
  if (!map.lower.empty())
    return copyPixels(to, address, at, taps);
  int64_t lines = tileBytes() / (map.box[0] * map.elementBytes);
  for (int64_t line = 0; line < lines; ++line) {
    std::vector<int64_t> from = at;
    int64_t rest = line;
    for (size_t axis = 1; axis < at.size(); ++axis) {
      from[axis] += rest % map.box[axis] * map.steps[axis];
      rest /= map.box[axis];
    }
    copyElements(to, address, line, from);
  }
}

} // namespace tenon::test
