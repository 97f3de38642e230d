// Weights in few bits, in blocks along what they are summed over; each block has a scale.
#pragma once
#include <cstdint>
#include <vector>

namespace tenon::driver {

struct BlockOptions {
  int bits = 4;      // 4 or 8
  int64_t size = 32; // of a block: a power of two, at least 16
};

/// Each of `rows` has `depth` integers, in blocks of `size` (the last one may be shorter).
struct WeightBlocks {
  int bits = 4;
  int64_t rows = 0, depth = 0, size = 32;
  std::vector<int8_t> codes;   // [rows][depth]
  std::vector<float> scales;   // [rows][count()]

  int64_t count() const { return (depth + size - 1) / size; }
};

/// Of [rows][depth] finite numbers. Each scale is that with the least squared error of those that put the block's largest number on 80 to 115 % of the largest code.
WeightBlocks blocksOf(const std::vector<float> &weights, int64_t rows, const BlockOptions &options);

} // namespace tenon::driver
