// Emits attention: for each unit (a head, a block of rows) the keys and values are packed, then every tile of rows goes through
// scores, maximum, exponentials and the sum of values without leaving the first-level cache.
#pragma once
#include "passes/6_codegen/cpu/AttentionProblem.h"
#include "passes/6_codegen/cpu/KernelBuilder.h"

namespace tenon::cpu {

class AttentionEmitter {
public:
  AttentionEmitter(KernelBuilder &b, AttentionProblem p, const AttentionSchedule &s);
  void emit();

private:
  struct Unit {
    Index batch, head, keyHead, firstRow, endRow;
  };
  /// One block of keys: [first, first + count).
  struct KeyBlock {
    Index first, count;
  };
  struct Tile {
    Index row; // first, in the sequence
    int64_t rows;
    Index state; // first row, in the unit
  };

  Unit unit(Index number);
  void compute(const Unit &unit);
  void packKeys(const Unit &unit, const KeyBlock &keys);
  void packValues(const Unit &unit, const KeyBlock &keys);
  void tile(const Unit &unit, const KeyBlock &keys, const Tile &tile);
  void scores(const Unit &unit, const KeyBlock &keys, const Tile &tile, Index panel, int64_t vectors, bool masked);
  mlir::Value masked(const Unit &unit, const KeyBlock &keys, Index row, Index column, mlir::Value score, bool partly);
  void storeOutput(const Unit &unit, const Tile &tile, Index panel, mlir::ArrayRef<mlir::Value> sums, mlir::ArrayRef<mlir::Value> scales);
  void finishRows(const Unit &unit);
  Index lastKey(const Index &row); // the last key that a row sees
  Index scoreAt(int64_t row, Index column);
  Index stateAt(const Tile &tile, int64_t row, Index element);
  mlir::Value inverse(mlir::Value sum);

  KernelBuilder &b;
  AttentionProblem p;
  AttentionSchedule s;
  AttentionLayout layout;
  Tensor query, key, value, mask, result, scratch;
  Index rows, keys;
  bool online, addedMask = false;
  mlir::VectorType vector;
};

} // namespace tenon::cpu
