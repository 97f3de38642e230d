// Weights of four or eight bits that stay packed in a plan: the ops that unpack them, which a kernel does where it reads them.
//
// Four bits:
//   codes: ui8[blocks, size, tiles, 1, 16]      of a tile of 32 columns byte j holds that of column j in its low bits, and that of column 16 + j in its high ones
//   %0 = nn.bit_shift codes, [[0], [4]]         [blocks, size, tiles, 2, 16]; marked, so that nothing folds or moves weights through what follows
//   %1 = nn.cast (nn.bitwise_and %0, 15)        to f32
// Eight bits:
//   codes: ui8[blocks, size, tiles, 2, 16]      the columns of a tile, one after the other
//   %1 = nn.cast codes                          to f32; marked
// Both:
//   %2 = nn.mul (nn.sub %1, zero points), scales    a number of each for every column of a block: [blocks, 1, tiles, 2, 16]
//   %w = nn.slice (nn.reshape %2)               [blocks * size, tiles * 32], then [blocks * size, columns]; without the slice where both are the same
//
// zero points may be one number for all.
#pragma once
#include "dialects/nn/NN.h"

namespace tenon::nn {

constexpr int64_t kTileColumns = 32, kHalfTile = 16;

struct PackedWeights {
  mlir::Value codes, zeroPoints, scales;
  int64_t bits = 4, blocks = 0, size = 0, tiles = 0, columns = 0;
  llvm::SmallVector<mlir::Operation *> ops; // from the last one up; constants are none of them

  int64_t depth() const { return blocks * size; }
  int64_t tileBytes() const { return kTileColumns * bits / 8; } // of a tile's columns for one k
  /// Those behind a tensor [depth, columns]; none where it is something else.
  static std::optional<PackedWeights> of(mlir::Value weights);
};

/// Marks the op that unpacks weights at run time.
void keepPacked(mlir::Operation *unpacking);
bool isKeptPacked(mlir::Operation *op);
/// Takes all marks away: what is unpacked is constant then.
void unpackAtCompileTime(mlir::Operation *root);

} // namespace tenon::nn
