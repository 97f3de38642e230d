// What the kernels of attention on matrix units share: the place of a warp's 16 query rows, and how scores become weights.
#pragma once
#include "passes/6_codegen/gpu/AttentionTile.h"
#include "passes/6_codegen/gpu/Warp.h"

namespace tenon::gpu {

/// Fragments are those of mma.sync: eight groups of four threads, a quad; a thread has columns 2 q and 2 q + 1 of rows g and g + 8.
class AttentionWarp {
protected:
  static constexpr int64_t kRows = AttentionTile::kRows, kQuad = 4; // threads that share a row of a fragment
  static constexpr int64_t kChunk = 8;                              // halves of 16 bytes, and columns that a thread finishes
  static constexpr double kLog2E = 1.4426950408889634;
  using Values = KernelBuilder::Values;

  AttentionWarp(KernelBuilder &b, const cpu::AttentionProblem &problem, const AttentionTile &tile);
  /// Finds the task's batch and head, and this thread's rows, `firstOfWarp` rows below the block's first.
  void begin(mlir::Value firstOfWarp);
  /// Reads the queries: 16 neighbouring bytes at a time, since the order of the depth is free.
  void loadQueries();

  /// Of the depth, four chunks, a quad's, are two products; where only one is needed at the end, chunks of half the size.
  int64_t depthStep() const { return chunk * kQuad; }
  int64_t depthSteps() const { return llvm::divideCeil(p.depth, depthStep()); }
  bool isHalfStep(int64_t step) const { return p.depth - step * depthStep() <= depthStep() / 2; }
  int64_t lanesOf(int64_t step) const { return isHalfStep(step) ? chunk / 2 : chunk; }
  /// This thread's words of a row: four, or two.
  mlir::Value words(const Tensor &from, llvm::ArrayRef<Index> row, int64_t step);
  /// `lanes` neighbours of a row from `column` on, zeros where it has ended; `isWhole` says that all are there. `columns` divide into such
  /// neighbours, or are looked at one by one.
  mlir::Value columnsOf(const Tensor &from, llvm::ArrayRef<Index> row, Index column, int64_t lanes, int64_t columns, bool isWhole);
  mlir::Value rounded(mlir::Value first, mlir::Value second);           // to a word of two elements
  mlir::Value exchanged(mlir::Value x, llvm::function_ref<mlir::Value(mlir::Value, mlir::Value)> combine); // over the threads of a row
  mlir::Value add(mlir::Value x, mlir::Value y) { return mlir::arith::AddFOp::create(ops, x, y); }
  mlir::Value mul(mlir::Value x, mlir::Value y) { return mlir::arith::MulFOp::create(ops, x, y); }
  mlir::Value larger(mlir::Value x, mlir::Value y) { return mlir::arith::MaxNumFOp::create(ops, x, y); }
  mlir::Value hidden(); // the logit of a key that a row does not see

  /// A fragment as it is multiplied: f32 rounded, or in parts.
  struct Factor {
    Warp::Fragment leading, rest;
  };
  Factor factor(Warp::Fragment words);
  /// 16 x 8 sums += `left` times `right`, as Warp::multiply.
  void multiply(const Factor &left, const Factor &right, llvm::MutableArrayRef<mlir::Value> sums);
  using StepFactors = llvm::SmallVector<Factor, 2>;
  /// Of a step of the depth: of one product or of two, from this thread's words of both rows.
  StepFactors queriesOf(int64_t step, mlir::Value upper, mlir::Value lower);
  /// 16 x 8 scores += queries of one step of the depth times eight keys, whose elements of this thread are `words`.
  void multiplyKeys(llvm::ArrayRef<Factor> queries, mlir::Value words, llvm::MutableArrayRef<mlir::Value> scores);
  /// The same with this warp's queries and all steps.
  void multiplyKeys(llvm::ArrayRef<mlir::Value> chunks, llvm::MutableArrayRef<mlir::Value> scores);
  /// With `causal`, row i sees the keys up to i + T - S.
  Index seen(Index at) { return p.op.getCausal() ? b.max(b.min(b.add(b.sub(b.add(at, keys), rows), 1), keys), 0) : keys; }
  bool isMaskOfRows() const; // whether rows have masks of their own
  /// What the mask has for row `at` and `lanes` neighbouring keys.
  mlir::Value maskAt(Index at, Index ofKey, int lanes = 1);
  /// log2 of a weight before normalization, from a score and what `maskAt` said, if there is a mask.
  mlir::Value logit(mlir::Value score, mlir::Value ofMask);
  double logitScale() { return p.op.getScale().convertToDouble() * kLog2E; }

  /// Logits of a row's fragments, times `factor`, become weights; what has been summed is scaled to the new largest logit. State: the largest logit so far
  /// of both rows, this thread's sums of their weights, four sums of weighted values for each column tile.
  void weigh(llvm::MutableArrayRef<mlir::Value> logits, llvm::MutableArrayRef<mlir::Value> state, double factor = 1);
  Values beginState();
  int64_t chunksOfTask() const { return t.passes > 1 ? t.width / kChunk : llvm::divideCeil(p.width, kChunk); } // of eight columns of a value
  bool isWholeChunks() const { return p.width % kChunk == 0 && p.width % (t.passes * chunksOfTask() * kChunk) == 0; }
  /// Stores eight columns of a row of the result, or those of them that there are.
  void storeChunk(mlir::Value eight, Index ofRow, Index column);
  /// Eight columns of a row, from the sums of all warps that share its keys, each AttentionTile::warpBytes at a `distance` from the others.
  void finishShares(mlir::Value unit, mlir::Value shared, int64_t distance);
  /// 1 / `total`; 0 for a row without keys, where the op wants that.
  mlir::Value normalizer(mlir::Value total);

  KernelBuilder &b;
  Warp w;
  mlir::ImplicitLocOpBuilder &ops;
  cpu::AttentionProblem p;
  const AttentionTile &t;
  Tensor query, key, value, mask, result;
  mlir::Type f32;
  Factors factors;
  bool inParts;        // f32 is multiplied in two parts, as three products
  int64_t chunk;       // elements of 16 bytes
  int64_t columnTiles; // of eight columns
  mlir::Value thread, lane, group, quad;
  Index batch, head, keyHead, firstRow, rows, keys; // firstRow: of the warp
  Index firstColumn = 0;                            // of the task's values
  Index row[2];                                     // of this thread's fragments
  llvm::SmallVector<StepFactors, 0> queries;        // in the order of the depth
};

} // namespace tenon::gpu
