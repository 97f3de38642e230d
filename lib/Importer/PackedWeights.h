// Constant weights of four or eight bits in blocks, as they stay in a plan (dialects/nn/PackedWeights.h).
#pragma once
#include "lib/Importer/Node.h"
#include <functional>
#include <optional>

namespace tenon::importer {

/// A matrix of `depth` rows, which a product sums over, in blocks of `size` rows; each column of a block has a scale and a zero point.
struct PackedMatrix {
  int64_t bits = 4, depth = 0, columns = 0, size = 0;
  std::function<uint8_t(int64_t row, int64_t column)> code;        // 0 to 15, or 255
  std::function<float(int64_t block, int64_t column)> scale;
  std::function<uint8_t(int64_t block, int64_t column)> zeroPoint; // null: the middle for all, 8 or 128

  /// Whether a plan keeps it packed: whole blocks, and not so few numbers that it does not matter.
  bool isWorthPacking() const;
};

/// The matrix in f32, [depth, columns], unpacked by the run.
mlir::Value unpackedAtRunTime(Node &node, const PackedMatrix &matrix);

/// The bytes of a constant, an element each or packed by the model itself; none where it is no constant, or one number for all elements.
std::optional<llvm::ArrayRef<char>> constantBytes(mlir::Value value);

} // namespace tenon::importer
