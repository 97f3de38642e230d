// Emits a narrow convolution: a few pixels times all output channels, one accumulator of partial sums for each.
#pragma once
#include "passes/6_codegen/cpu/Elementwise.h"
#include "passes/6_codegen/cpu/LoopsEvaluator.h"
#include "passes/6_codegen/cpu/NarrowProblem.h"

namespace tenon::cpu {

class NarrowEmitter {
public:
  NarrowEmitter(KernelBuilder &b, const NarrowProblem &problem, int64_t pixels, int64_t blocks);
  /// This task's share: rows of all images, each in `blocks` blocks of columns.
  void emit();

private:
  using Values = KernelBuilder::Values;

  void emitBlock(Index first, Index end);
  /// `pixels` results from column x on; with `border` input outside of the image's row counts as 0.
  void emitTile(Index x, bool border);
  /// Adds the products of one row of the window, from input element `start` on, to the accumulators [pixel][channel].
  Values emitRow(Index r, Index x, bool border, mlir::ValueRange sums);
  Values emitChunk(Index element, int64_t count, llvm::ArrayRef<Index> starts, llvm::ArrayRef<Range> inside, Index weights, Values sums);
  void finish(Index x, mlir::ValueRange sums);
  mlir::Value loadRun(const Tensor &t, Index offset, mlir::Value mask);
  llvm::SmallVector<Index> position(Index x) const;

  KernelBuilder &b;
  NarrowProblem p;
  int64_t pixels, blocks;
  int lanes;
  bool flat; // one spatial axis
  Tensor input, filter;
  Epilogue epilogue;
  Index image, row, top;
  Range taps; // rows of the window within the image
};

} // namespace tenon::cpu
