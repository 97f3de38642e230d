// Scatters: a copy of the input, then the updates in their order.
#pragma once
#include "passes/6_codegen/cpu/LoopsEvaluator.h"

namespace tenon::cpu {

bool isScatter(mlir::Operation *op);
/// Whether the op's reduction is one that scatters may have: add, mul, max, min.
bool canEmitScatter(mlir::Operation *op);
/// Emits the op into `result`; one task must do it all, since updates may meet.
void emitScatter(KernelBuilder &b, Evaluator &evaluator, mlir::Operation *op, const Tensor &result);

} // namespace tenon::cpu
