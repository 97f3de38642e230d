// Emits the steps of one direction and one element of the batch.
#pragma once
#include "passes/6_codegen/cpu/KernelBuilder.h"
#include "passes/6_codegen/cpu/SingleOp.h"

namespace tenon::cpu {

/// Where a task keeps its states: f32 or f64 elements, in rows of whole vectors.
struct RecurrenceLayout {
  int64_t gates, hidden, lanes, panels, row; // row: elements of one state, a multiple of lanes
  /// Rows: two hidden states (read and written by turns), the cell, and the gates z and r * h that a gru keeps between its products.
  enum Row { kHidden = 0, kCell = 2, kUpdate = 3, kReset = 4, kRows = 5 };
  nn::Dim units;

  RecurrenceLayout(nn::RecurrenceOp op, const Target &target);
  int64_t bytes() const;
  unsigned elementBytes;
};

/// A function of the layer by its number in `activations`, behind the clip.
mlir::Value emitActivation(KernelBuilder &b, nn::RecurrenceOp op, int function, mlir::Value x);

class RecurrenceEmitter {
public:
  RecurrenceEmitter(KernelBuilder &b, nn::RecurrenceOp op, kernel::FuncOp func);
  void emit();

private:
  struct Panel {
    Index column;     // of its first unit
    mlir::Value mask; // null: all lanes
  };

  void eachPanel(llvm::function_ref<void(const Panel &)> body);
  Index slot(RecurrenceLayout::Row row, Index column) { return b.add(column, int64_t(row) * layout.row); }
  Index hiddenAt(Index step, Index column) { return b.add(b.mul(b.rem(step, 2), layout.row), column); }
  Index time(Index step);
  mlir::Value loadState(mlir::Value source, const Panel &panel);
  void store(mlir::Value value, const std::optional<Tensor> &result, llvm::ArrayRef<Index> at, mlir::Value mask);

  void start();
  void step(Index t);
  void finish();
  /// For each gate in [first, end): `init` plus the state of row `from` times the recurrence weights.
  KernelBuilder::Values products(const Panel &panel, Index from, int first, int end, KernelBuilder::Values init);
  KernelBuilder::Values gatesAt(const Panel &panel, Index t, int first, int end);
  mlir::Value activate(int function, mlir::Value x) { return emitActivation(b, op, function, x); }
  mlir::Value peephole(const Panel &panel, int part, mlir::Value state, mlir::Value sum);
  void rnnPanel(const Panel &panel, Index t);
  void gruGates(const Panel &panel, Index t);
  void gruPanel(const Panel &panel, Index t);
  void lstmPanel(const Panel &panel, Index t);
  void give(const Panel &panel, Index t, mlir::Value hidden);

  KernelBuilder &b;
  nn::RecurrenceOp op;
  RecurrenceLayout layout;
  Tensor gates, weights, scratch;
  mlir::VectorType vector;
  std::optional<Tensor> sequence, lastH, lastC;
  Index steps, direction, element, length;
};

} // namespace tenon::cpu
