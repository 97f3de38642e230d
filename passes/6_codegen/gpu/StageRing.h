// A ring of stages in shared memory on sm_90a: warps that copy fill them, warps that multiply empty them, and a block stays for as many tiles as there
// are blocks less than tiles, so that the stages of the next tile fill while the sums of one are stored.
#pragma once
#include "passes/6_codegen/gpu/MatrixSchedule.h"
#include "passes/6_codegen/gpu/Warp.h"

namespace tenon::gpu {

class StageRing {
public:
  using Values = KernelBuilder::Values;
  /// A stage: its number, and the phase of its barriers.
  struct Slot {
    mlir::Value stage, phase;
  };

  StageRing(KernelBuilder &b, const MatrixProblem &p, const MatrixSchedule &s) : b(b), w(b), p(p), s(s) {}

  /// Makes the barriers: a stage is full when `copiers` have said so, and what they wait for is there.
  void begin(mlir::Value thread, int64_t copiers);
  Slot next(Slot slot);
  mlir::Value memory() { return shared; }
  mlir::Value at(mlir::Value stage) { return w.add(shared, w.mul(stage, s.stageBytes())); }
  mlir::Value full(mlir::Value stage) { return w.add(w.add(shared, s.barriersAt()), w.mul(stage, 8)); }
  mlir::Value empty(mlir::Value stage) { return w.add(full(stage), s.stages * 8); }

  /// Emits `body` for each tile of the block; it is given the first row and column, and carries `init`.
  Values forTiles(mlir::ValueRange init, llvm::function_ref<Values(Index firstRow, Index firstColumn, mlir::ValueRange)> body);
  Index firstColumnOf(Index tile) { return b.mul(b.rem(tile, tilesAcross()), s.tileColumns); }

  /// A tile's `count` sums: `step` adds the products of each stage as it comes. Behind the slot that follows, as forTiles carries it.
  Values multiply(mlir::ValueRange slot, int64_t count, mlir::Value lane, llvm::function_ref<void(Slot, llvm::MutableArrayRef<mlir::Value>)> step);

private:
  int64_t steps() const { return s.stepsOfBlock(p.steps(s)); }
  int64_t tilesAcross() const { return llvm::divideCeil(p.columns, s.tileColumns); }

  KernelBuilder &b;
  Warp w;
  const MatrixProblem &p;
  const MatrixSchedule &s;
  mlir::Value shared;
};

} // namespace tenon::gpu
