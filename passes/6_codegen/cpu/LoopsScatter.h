// Scatters: a copy of the input, then the updates in their order.
#pragma once
#include "passes/6_codegen/cpu/LoopsEvaluator.h"

namespace tenon::cpu {

bool isScatter(mlir::Operation *op);
/// Whether the op's reduction is one that scatters may have: add, mul, max, min.
bool canEmitScatter(mlir::Operation *op);
/// How an update is combined with the element that it meets; none where it replaces it.
std::optional<Fold> scatterFold(mlir::Operation *op);
/// Where in the result the update at `index` goes.
llvm::SmallVector<Index> scatterTarget(KernelBuilder &b, Evaluator &evaluator, mlir::Operation *op, llvm::ArrayRef<Index> index);
/// Emits the op into `result`; one task must do it all, since updates may meet.
void emitScatter(KernelBuilder &b, Evaluator &evaluator, mlir::Operation *op, const Tensor &result);

} // namespace tenon::cpu
