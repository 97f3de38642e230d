// The register tile of a contraction: rows x vectors accumulators over the taps and the depth.
#pragma once
#include "passes/6_codegen/cpu/KernelBuilder.h"
#include <optional>

namespace tenon::cpu {

/// Where the left operand's elements of one tile are, in elements of `memory`:
/// base + rows[r] + sum of tap * taps + step * depth + unrolled * unroll, the depth loop advancing `step` by the unroll factor.
struct LhsAddress {
  Tensor memory;
  Index base;
  llvm::SmallVector<Index> rows;
  llvm::SmallVector<Index> taps;
  Index depth, unroll;
};

/// Where the right operand's vectors of one panel are: base + sum of tap * taps + k * depth + lane * column.
struct RhsAddress {
  Tensor memory;
  Index base;
  llvm::SmallVector<Index> taps;
  Index depth;
  Index column = 1; // vectors are gathered where this is not 1
  mlir::Value tail; // mask of the last vector where memory ends with it; null: whole vectors can be read

  /// Where the right operand is a difference of two panels, what is subtracted, and where the difference is kept for other tiles. Without taps.
  struct Difference {
    Tensor minus;
    Index minusBase;
    Tensor kept;
    Index keptBase;
  };
  std::optional<Difference> difference;
};

/// Cache lines that the depth loop touches ahead of their use, `lines` of them in each iteration.
struct PrefetchStream {
  Tensor memory;
  Index base;
  int64_t lines = 0;
};

struct TileShape {
  int64_t rows = 1, vectors = 1, lanes = 1;
  llvm::SmallVector<int64_t> taps;
  llvm::SmallVector<std::pair<Index, Index>> live; // for each of `taps` the part that is computed, [first, end)
  Index depth;
  int64_t unroll = 1;
  mlir::Type element; // of the accumulators
  int64_t widest = 0; // vectors of a whole panel, where this tile is a narrower last one; 0: `vectors`
  int64_t dot = 1;    // 4: lanes hold four bytes (DotBytes.h); 2: pairs of 16 bits (DotPairs.h), or of bf16 where sums are f32 (DotBfloat.h)
};

/// Emits the loops of a tile. `init` and the result hold rows * vectors accumulators, row by row.
/// Tiles with few accumulators split the sums over the unrolled steps, to hide the latency of the multiply-add; narrow last panels as whole ones,
/// so that equal columns give equal sums.
KernelBuilder::Values emitTile(KernelBuilder &b, const TileShape &shape, const LhsAddress &lhs, const RhsAddress &rhs,
                               const PrefetchStream &prefetch, mlir::ValueRange init);

/// a + b in floating-point or integer arithmetic.
mlir::Value emitAdd(KernelBuilder &b, mlir::Value x, mlir::Value y);
/// a * b + c in floating-point or integer arithmetic.
mlir::Value emitMultiplyAdd(KernelBuilder &b, mlir::Value x, mlir::Value y, mlir::Value sum);

} // namespace tenon::cpu
