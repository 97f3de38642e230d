// The epilogue of a tile whose sums are spread over the registers of groups of warps.
#pragma once
#include "passes/6_codegen/cpu/Elementwise.h"
#include "passes/6_codegen/gpu/MatrixSchedule.h"
#include "passes/6_codegen/gpu/Warp.h"

namespace tenon::gpu {

/// The position of row `at` of the result, past the end of axes that are walked as one (cpu::RowGroup); that of the column is left 0.
llvm::SmallVector<Index> positionOfRow(KernelBuilder &b, const cpu::ContractionProblem &contraction, Index at);

/// Stores 16 rows, those of a warp, a piece of their columns at a time through memory that is the warp's own: neighbouring threads then store
/// neighbouring chunks.
class WarpStore {
public:
  struct Row {
    mlir::Value inside;                // i1: a row of the result
    llvm::SmallVector<Index> position; // valid even where it is not
  };
  /// `memory` has MatrixSchedule::pieceBytes of `piece` columns.
  WarpStore(KernelBuilder &b, const MatrixProblem &p, cpu::Epilogue &epilogue, mlir::Value lane, mlir::Value memory, int64_t piece)
      : b(b), w(b), p(p), epilogue(epilogue), lane(lane), memory(memory), piece(piece), pitch(MatrixSchedule::piecePitch(piece)) {}

  /// Values of the rows that a thread finishes, which the epilogue reads: two rows where four threads share one. Given before `store` of them.
  static constexpr int64_t kRowsOfThread = 2;
  void provideRows(llvm::SmallVector<llvm::SmallVector<mlir::Value>> values) { rowValues = std::move(values); }
  /// The number in the warp of the `i`th of these rows.
  mlir::Value rowOfThread(int64_t i);

  /// `sums` of so many columns from `firstColumn` on, as mma.sync leaves them; `rowOf` finds a row by its number in the warp.
  void store(llvm::function_ref<Row(mlir::Value)> rowOf, Index firstColumn, int64_t columns, llvm::ArrayRef<mlir::Value> sums);

private:
  /// Eight columns of a row, as a thread finishes them in every piece.
  struct Unit {
    Row row;
    mlir::Value sums; // where they lie in memory
    Index column;     // of the piece
  };
  llvm::SmallVector<Unit> unitsOf(llvm::function_ref<Row(mlir::Value)> rowOf);
  void storePiece(llvm::ArrayRef<Unit> units, Index firstColumn, llvm::ArrayRef<mlir::Value> sums);
  void writeSums(llvm::ArrayRef<mlir::Value> sums);
  void storeRowSum(unsigned result, mlir::Value part, mlir::Value inside, llvm::ArrayRef<Index> position);

  KernelBuilder &b;
  Warp w;
  const MatrixProblem &p;
  cpu::Epilogue &epilogue;
  mlir::Value lane, memory;
  const int64_t piece, pitch;
  llvm::SmallVector<llvm::SmallVector<mlir::Value>> rowValues;
};

} // namespace tenon::gpu
