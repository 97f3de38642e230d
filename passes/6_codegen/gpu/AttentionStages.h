// Keys and values in shared memory, and their products with the queries of a warp.
//
// Keys are read in the order that queries have in registers, values as ldmatrix transposes them; both lie in shared memory so that no two chunks
// which are read at once share a bank.
#pragma once
#include "passes/6_codegen/gpu/AttentionWarp.h"

namespace tenon::gpu {

class AttentionStages : protected AttentionWarp {
protected:
  static constexpr int64_t kChunkBytes = 16, kFragmentKeys = 16;
  AttentionStages(KernelBuilder &b, const cpu::AttentionProblem &problem, const AttentionTile &tile);

  /// Threads that copy together, and this one's number among them.
  struct Copiers {
    mlir::Value own;
    int64_t count;
  };
  /// Start to copy so many keys or values from `first` on; zeros where there are none any more, which `isWhole` rules out.
  void copyKeys(Index first, int64_t count, bool isWhole, mlir::Value to, Copiers copiers);
  void copyValues(Index first, int64_t count, bool isWhole, mlir::Value to, Copiers copiers);

  /// Of so many tiles of eight keys at `at`, the first of which is number `first`; with `isLimited` rows may not see all of them. To be multiplied by
  /// logitFactor().
  llvm::SmallVector<mlir::Value> logitsOf(mlir::Value at, Index first, int64_t tiles, bool isLimited);
  double logitFactor() { return isPlain ? logitScale() : 1; }
  /// Sums of values += weights times values.
  void addValues(mlir::Value at, llvm::ArrayRef<mlir::Value> weights, llvm::MutableArrayRef<mlir::Value> state);

  const int64_t knownKeys;

private:
  using Place = llvm::function_ref<mlir::Value(mlir::Value chunk, mlir::Value ofRow)>;
  /// Columns, the chunks that are copied, zeros after the last column, and columns from one row to the next in shared memory.
  struct RowOfMemory {
    int64_t columns, chunks, pitch;
  };
  void copyRows(const Tensor &from, const RowOfMemory &ofMemory, Index first, int64_t count, bool isWhole, mlir::Value to, Copiers copiers,
                Place place);
  void copyChunk(const Tensor &from, Index ofRow, Index column, int64_t columns, int64_t chunks, mlir::Value inside, mlir::Value target);
  mlir::Value wordsAt(mlir::Value address, int64_t step);
  mlir::Value valueSwizzle(mlir::Value ofRow) { return t.width * 2 % 128 ? w.rem(w.div(ofRow, 2), 4) : w.rem(ofRow, 8); }
  Index keyOf(Index first, int64_t tile, int64_t e) { return b.add(b.add(b.add(first, b.mul(w.wide(quad), 2)), tile * 8), e % 2); }
  mlir::Value limited(mlir::Value x, Index ofRow, Index ofKey);
  llvm::SmallVector<mlir::Value> masksOf(Index first, int64_t tile, bool isLimited);

  const bool isPlain; // logits are scores times a positive number: their order is known before that is multiplied
};

} // namespace tenon::gpu
