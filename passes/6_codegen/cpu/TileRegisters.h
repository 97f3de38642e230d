// The tile registers of x86 (AMX): eight of up to 16 rows of 64 bytes. One instruction adds, in lanes of i32 or f32, the products of a tile of rows by a tile of
// columns, whose k are in units of 32 bits: fours of bytes or pairs of bf16.
#pragma once
#include "passes/6_codegen/cpu/KernelBuilder.h"

namespace tenon::cpu {

/// A multiplication of `rowTiles` tiles of rows by `columnTiles` tiles of columns: their sums, and what is multiplied, in the eight registers.
struct TileProduct {
  static constexpr int64_t kRows = 16, kColumns = 16, kUnits = 16; // the largest tile; k in units
  static constexpr int64_t kMostSums = 4;

  int64_t rowTiles = 1, columnTiles = 1;
  int64_t used = 1;  // of the tiles of columns, in the last panel of weights
  int64_t rows = 1;  // of one tile
  int64_t units = 1; // k of one step
  bool bfloat = false;

  /// The longest step that divides a sum over `depth` units.
  static int64_t stepOf(int64_t depth);

  /// Gives the registers their shapes; they hold zeros. `release` ends their use.
  void configure(KernelBuilder &b) const;
  static void release(KernelBuilder &b);
  void clear(KernelBuilder &b) const;
  /// One step. Rows lie `rowStride` elements of 32 bits apart, tiles of rows `tileStride`; of `columns` row k holds the columns' units, `columnStride` apart.
  void multiply(KernelBuilder &b, const Tensor &lhs, Index row, Index rowStride, Index tileStride, const Tensor &rhs, Index column, Index columnStride) const;
  /// The sums as [row][column], dense.
  void store(KernelBuilder &b, const Tensor &sums) const;

private:
  int64_t sumOf(int64_t rowTile, int64_t columnTile) const { return rowTile * columnTiles + columnTile; }
};

} // namespace tenon::cpu
