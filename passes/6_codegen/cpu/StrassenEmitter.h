// The loops of a Strassen product: for each block of rows and of k the sums of the rows' quarters, then for each pair of panels and each tile
// the seven products, accumulated into the four quarters of the result. The first tile makes the sums of the pair's quarters while it multiplies.
#pragma once
#include "passes/6_codegen/cpu/ContractionTile.h"
#include "passes/6_codegen/cpu/Elementwise.h"
#include "passes/6_codegen/cpu/KernelBuilder.h"
#include "passes/6_codegen/cpu/StrassenSchedule.h"

namespace tenon::cpu {

/// Emits one task: its share of the blocks of rows times its share of the pairs of panels.
class StrassenEmitter {
public:
  StrassenEmitter(KernelBuilder &b, const ContractionProblem &p, const StrassenSchedule &s);
  void emit();

private:
  struct Depth {
    Index number; // of the depth block
    bool first = true, last = true;
  };
  /// Tiles [firstTile, endTile), from row `firstRow` on.
  struct Block {
    Index firstTile, endTile, firstRow;
  };
  struct Tile {
    Index firstRow; // of all rows
    Index packedRow; // the same, from the first one of the block
    int64_t rows;
    Index number; // in the block
  };

  Block block(Index number);
  void pack(const Block &block, const Depth &depth);
  void packRow(Index row, Index to, int64_t rows, const Depth &depth);
  llvm::SmallVector<Index> lhsPosition(Index row);
  Index quarterAt(Index pair, const Depth &depth, Index number);
  Index panelAt(Index number);
  void tile(const Tile &tile, Index pair, Index firstPair, const Depth &depth);
  KernelBuilder::Values product(const Tile &tile, Index pair, const Depth &depth, Index number, const RhsAddress &right);
  PrefetchStream nextPair(const Tile &tile, Index pair, const Depth &depth, Index number);
  llvm::SmallVector<Index> resultPosition(const Tile &tile, Index pair, Index row, int64_t lower, int64_t x);
  Index partialAt(const Tile &tile, Index pair, Index firstPair, Index row, int64_t lower, int64_t x);
  void finish(const Tile &tile, Index pair, Index firstPair, const Depth &depth, Index row, int64_t lower, int64_t x, mlir::Value sum);

  KernelBuilder &b;
  const ContractionProblem &p;
  const StrassenSchedule s;
  StrassenLayout layout;
  RowGroup group;
  Epilogue epilogue;
  Prologue source;
  Tensor packed, panels, products, partial, weights;
};

} // namespace tenon::cpu
