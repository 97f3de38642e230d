// Emits the LSTM of one direction and one element of the batch.
#pragma once
#include "passes/6_codegen/cpu/ContractionTile.h"
#include "passes/6_codegen/cpu/RecurrentProblem.h"

namespace tenon::cpu {

class RecurrentEmitter {
public:
  RecurrentEmitter(KernelBuilder &b, RecurrentProblem p, const RecurrentSchedule &s);
  void emit();

private:
  struct Unit {
    Index direction, element, steps;
  };
  /// Panels of one weight for one direction.
  struct Panels {
    Tensor memory;
    Index base;
  };

  void compute(const Unit &unit);
  Panels panelsOf(mlir::Value weight, int64_t offset, int64_t depth, Index direction);
  void start(const Unit &unit);
  void finish(const Unit &unit);
  void products(const Unit &unit, const Panels &weights, Index firstStep, Index count);
  void step(const Unit &unit, const Panels &weights, Index step, Index row);
  void gates(const Unit &unit, Index panel, Index step, llvm::ArrayRef<mlir::Value> sums);
  Index time(const Unit &unit, Index step);
  void eachPanel(llvm::function_ref<void(Index panel, mlir::Value mask)> body);
  mlir::Value bias(const Unit &unit, Index panel, int64_t gate, mlir::Value mask);
  mlir::Value loadState(mlir::Value source, const Unit &unit, Index panel, mlir::Value mask);
  void store(mlir::Value value, const std::optional<StoreView> &view, llvm::ArrayRef<Index> position, mlir::Value mask);
  Index cell(Index panel);
  Index hiddenState(Index step); // of the state before `step`

  KernelBuilder &b;
  RecurrentProblem p;
  RecurrentSchedule s;
  RecurrentLayout layout;
  Tensor input, scratch;
  mlir::VectorType vector;
  Index steps;
};

} // namespace tenon::cpu
