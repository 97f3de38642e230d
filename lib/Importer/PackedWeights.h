// Constant weights of four bits in blocks, as they stay in a plan (dialects/nn/PackedWeights.h).
#pragma once
#include "lib/Importer/Node.h"
#include <functional>
#include <optional>

namespace tenon::importer {

/// A matrix of `depth` rows, which a product sums over, in blocks of `size` rows; each column of a block has a scale and a zero point.
struct FourBitMatrix {
  int64_t depth = 0, columns = 0, size = 0;
  std::function<uint8_t(int64_t row, int64_t column)> code;        // 0 to 15
  std::function<float(int64_t block, int64_t column)> scale;
  std::function<uint8_t(int64_t block, int64_t column)> zeroPoint; // null: 8 for all

  /// Whether a plan keeps it packed: whole blocks, and not so few numbers that it does not matter.
  bool isWorthPacking() const;
};

/// The matrix in f32, [depth, columns], unpacked by the run.
mlir::Value unpackedAtRunTime(Node &node, const FourBitMatrix &matrix);

/// The bytes of a constant, an element each or packed by the model itself; none where it is no constant, or one number for all elements.
std::optional<llvm::ArrayRef<char>> constantBytes(mlir::Value value);

} // namespace tenon::importer
