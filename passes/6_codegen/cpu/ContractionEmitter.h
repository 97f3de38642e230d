// The loop nest of a contraction around its register tiles.
#pragma once
#include "passes/6_codegen/cpu/ContractionSchedule.h"
#include "passes/6_codegen/cpu/ContractionStage.h"
#include "passes/6_codegen/cpu/ContractionTile.h"
#include "passes/6_codegen/cpu/DotSplit.h"
#include "passes/6_codegen/cpu/Elementwise.h"
#include "passes/6_codegen/cpu/KernelBuilder.h"
#include "passes/6_codegen/cpu/TileRegisters.h"

namespace tenon::cpu {

/// Emits one task: its share of the blocks of rows times its share of the panels of columns.
class ContractionEmitter {
public:
  ContractionEmitter(KernelBuilder &b, const ContractionProblem &p, const ContractionSchedule &s);
  void emit();

private:
  /// Rows that are computed together. Positions are by axis of the result; merged axes have their index in the carrier.
  struct Block {
    llvm::SmallVector<Index> rows;           // the first row; 0 along the axes that tiles walk in a run
    Index height = 1, width = 0;             // of a box
    Index total = 0, firstTile = 0, endTile = 0; // a run of row tiles
    Index firstRow = 0;
  };
  struct Panel {
    Index number;                            // among all panels
    Index column;                            // first n
    int64_t vectors = 1;
    mlir::Value mask;                        // of the last vector, or null
    Index columns;                           // how many there are
  };
  /// The rows of one tile: offsets in lhs relative to `base`, positions in the result without the column.
  struct TileRows {
    Index base;
    llvm::SmallVector<Index> offsets;
    llvm::SmallVector<llvm::SmallVector<Index>> positions;
    Index packedRow; // first row, counted from the first one of the block
    Index number;    // of the tile in its block
    Index done = 0;  // rows at the start that the tile before has computed already
    Index linesDone = 0; // the same of lines, where a tile has several
  };
  struct DepthBlock {
    Index number;
    bool first = true, last = true;
  };

  Block block(Index number);
  void compute(const Block &block, Index firstPanel, Index endPanel);
  LhsBox bandBox(const Block &block);
  void stageBand(const Block &block);
  void bandPixels(const Block &block, llvm::function_ref<void(Index)> body);
  void packBlock(const Block &block, const DepthBlock &depth);
  bool widenBlock(const Block &block, const DepthBlock &depth);
  SplitOperand splitOperand();
  void measureActivations(const Block &block);
  void computeTogether(const Block &block, Index firstPanel, Index endPanel);
  void storeTogether(const TileRows &rows, Index column);
  void tilesOf(const Block &block, llvm::function_ref<void(const TileRows &)> body);
  void panelsOf(Index first, Index end, llvm::function_ref<void(const Panel &)> body);
  void tile(const Block &block, const Panel &panel, const TileRows &rows, const DepthBlock &depth, Index firstPanel);

  TileProduct tileProduct();
  void equalTilesOf(const Block &block, llvm::function_ref<void(const TileRows &)> body);
  void tileInRegisters(const Block &block, const Panel &panel, const TileRows &rows, const DepthBlock &depth);

  TileRows runTile(const Block &block, Index first, int64_t rows, Index number);
  TileRows boxTile(const Block &block, Index first, int64_t rows, Index number, llvm::function_ref<std::pair<Index, Index>(int64_t)> pixel);
  llvm::SmallVector<Index> lhsPosition(const Block &block, Index row);
  LhsAddress lhsAddress(const Panel &panel, const TileRows &rows, const DepthBlock &depth);
  RhsAddress rhsAddress(const Block &block, const Panel &panel, const DepthBlock &depth);
  Index packedPanel(const Panel &panel, const DepthBlock &depth);
  Index joinedPanel(const Panel &panel);
  std::pair<Index, Index> liveTaps(const Block &block, const TileRows &rows, int tap);
  void mergeTaps(TileShape &shape, const Block &block, const TileRows &rows, LhsAddress &lhs, RhsAddress &rhs);
  /// What a tile adds up; splitSums where weights are split.
  KernelBuilder::Values sumsOf(const Block &block, const Panel &panel, const TileRows &rows, const DepthBlock &depth);
  KernelBuilder::Values splitSums(const Block &block, const Panel &panel, const TileRows &rows, const SplitPanel &lists);
  PrefetchStream nextPanel(const Block &block, const Panel &panel, const TileRows &rows, const DepthBlock &depth, const TileShape &shape);
  KernelBuilder::Values initial(const Panel &panel, int64_t rows, const DepthBlock &depth);
  Index lhsStride(int rowAxis);

  KernelBuilder &b;
  const ContractionProblem &p;
  ContractionSchedule s;
  ContractionLayout layout;
  Epilogue epilogue;
  mlir::Type element;
  Tensor lhs;             // as tiles read it: the argument, the band, or the packed rows
  Tensor rhs;             // the packed panels, the argument, or the staged panel
  Tensor widened;         // a panel of it as pairs
  Tensor partial;
  SplitPanel splitLists;  // of the panels that tiles are computed with
  Tensor tileSums;        // what tile registers held, or sums of several panels
  TileProduct product;
  bool rhsPacked = false; // as [depth block][panel][tap][k][column]
  Index columns;
  Index blockDepth;       // k of one depth block
};

inline Index ceilDiv(KernelBuilder &b, Index a, int64_t c) { return b.div(b.add(a, c - 1), c); }

/// Cuts [0, total) into row tiles and calls `body(first row, rows, number)` for those numbered [begin, end). A constant total is cut
/// into parts that differ by at most one row, another one into tiles of `rows` and a remainder in powers of two.
void forRowTiles(KernelBuilder &b, Index total, int64_t rows, Index begin, Index end,
                 llvm::function_ref<void(Index, int64_t, Index)> body);

} // namespace tenon::cpu
