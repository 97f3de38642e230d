// Stores sums straight from registers, without shared memory.
#pragma once
#include "passes/6_codegen/gpu/MatrixStore.h"

namespace tenon::gpu {

/// Of the sums that mma.sync and wgmma leave, each of the four threads that share a row has pairs eight columns apart. Weights are packed so that these
/// are neighbours in the result (MatrixProblem::partColumns): a thread finishes up to 16 of them, which are 16 bytes where they end as bytes.
///
/// What is read for that may be on its way before the sums are there: first the vectors that all rows share, then what each row reads.
class QuadStore {
public:
  using Row = WarpStore::Row;
  QuadStore(KernelBuilder &b, const MatrixProblem &p, cpu::Epilogue &epilogue, mlir::Value lane, int64_t part);

  /// Bias, scales and other constants, one element for each column: this thread's share of a part.
  struct Columns {
    mlir::Value bias;
    llvm::SmallVector<mlir::Value> operands;
  };
  /// Values of the rows that a thread finishes, which the epilogue reads: of both. Given before `store` of them.
  void provideRows(llvm::SmallVector<llvm::SmallVector<mlir::Value>> values) { rowValues = std::move(values); }

  /// Of so many columns from `firstColumn` on, part after part.
  llvm::SmallVector<Columns> columnsOf(Index firstColumn, int64_t columns);

  /// Neighbours in a row of the result, and what else is read for them.
  struct Unit {
    mlir::Value inside;
    llvm::SmallVector<Index> position;
    llvm::SmallVector<mlir::Value> read;
  };
  /// Of 16 rows, those of a warp; `rowOf` finds a row by its number in the warp.
  llvm::SmallVector<Unit> unitsOf(llvm::function_ref<Row(mlir::Value)> rowOf, Index firstColumn, int64_t columns);

  void store(llvm::ArrayRef<Unit> units, llvm::ArrayRef<Columns> columns, llvm::ArrayRef<mlir::Value> sums);
  /// The same where columns were not read before: those of each part while the one before is stored.
  void store(llvm::ArrayRef<Unit> units, Index firstColumn, llvm::ArrayRef<mlir::Value> sums);
  /// The same where nothing was read before: some columns after the other, for want of registers.
  void store(llvm::function_ref<Row(mlir::Value)> rowOf, Index firstColumn, int64_t columns, llvm::ArrayRef<mlir::Value> sums);

private:
  Index columnOf(Index column); // as loads and stores want it
  /// Both rows of a part.
  void storePart(llvm::ArrayRef<Unit> units, const Columns &columns, llvm::ArrayRef<mlir::Value> sums);
  llvm::SmallVector<mlir::Value> storeUnit(const Unit &unit, const Columns &columns, llvm::ArrayRef<mlir::Value> sums);
  void storeRowSums(llvm::ArrayRef<Unit> units, llvm::ArrayRef<mlir::Value> parts);

  KernelBuilder &b;
  Warp w;
  const MatrixProblem &p;
  cpu::Epilogue &epilogue;
  mlir::Value lane;
  const int64_t part, lanes;
  llvm::SmallVector<mlir::Value> operands; // of Columns
  llvm::SmallVector<llvm::SmallVector<mlir::Value>> rowValues;
};

} // namespace tenon::gpu
