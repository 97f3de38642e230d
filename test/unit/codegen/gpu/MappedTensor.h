// A tensor map as the unit that copies tiles understands it (CUDA driver API, cuTensorMapEncodeTiled and cuTensorMapEncodeIm2col).
#pragma once
#include "lib/Plan/TensorMap.h"

namespace tenon::test {

struct MappedTensor {
  plan::TensorMap map;
  const uint8_t *memory = nullptr; // of the buffer

  int64_t tileBytes() const;
  /// Zeros stand for what lies outside. `address` decides how 16-byte chunks are exchanged.
  void copyTo(uint8_t *to, uint32_t address, const std::vector<int64_t> &at, const std::vector<int64_t> &taps) const;

private:
  void copyElements(uint8_t *to, uint32_t address, int64_t line, const std::vector<int64_t> &at) const;
  void copyPixels(uint8_t *to, uint32_t address, std::vector<int64_t> at, const std::vector<int64_t> &taps) const;
};

} // namespace tenon::test
