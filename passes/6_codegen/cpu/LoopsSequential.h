// Ops of the general road whose result is made by one pass after another over memory: running sums, coordinates of nonzero
// elements, sorting, suppression.
#pragma once
#include "passes/6_codegen/cpu/LoopsEvaluator.h"

namespace tenon::cpu {

/// Whether the op writes all of its results itself. It is alone in its kernel but for what its operands are computed from.
bool isSequential(mlir::Operation *op);
/// The sequential op that makes all results of the kernel, or null. Loops.cpp.
mlir::Operation *sequentialOp(kernel::FuncOp func);
/// How many independent parts it has: tasks may share them.
nn::Dim sequentialParts(mlir::Operation *op);
/// Emits this task's share of `op`, whose results are those of the kernel; there are up to `tasks`.
void emitSequential(KernelBuilder &b, Evaluator &evaluator, mlir::Operation *op, int64_t tasks);

/// The corners of a box, low and high along both axes, and its area.
struct Box {
  mlir::Value low[2], high[2], area;
};
Box emitBox(KernelBuilder &b, Evaluator &evaluator, nn::SuppressOp op, Index image, Index position);
/// Whether intersection / union is above `limit`; empty boxes overlap nothing.
mlir::Value emitOverlaps(KernelBuilder &b, const Box &x, const Box &y, mlir::Value limit);
mlir::Value emitIsNotZero(KernelBuilder &b, mlir::Value x);

// One function an op, for emitSequential.
void emitCumSum(KernelBuilder &b, Evaluator &evaluator, nn::CumSumOp op, int64_t tasks);
void emitNonZero(KernelBuilder &b, Evaluator &evaluator, nn::NonZeroOp op);
void emitSort(KernelBuilder &b, Evaluator &evaluator, nn::SortIndicesOp op);
void emitSuppress(KernelBuilder &b, Evaluator &evaluator, nn::SuppressOp op);

} // namespace tenon::cpu
