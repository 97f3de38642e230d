// Bytes put side by side: a row of the result is one run of each input.
#pragma once
#include "passes/6_codegen/cpu/LoopsEvaluator.h"

namespace tenon::cpu {

/// The concat that is all that a kernel computes, along the last axis, of bytes that lie in rows; null if it computes anything else. Loops over the
/// result's elements would ask for every few of them which input they come from.
nn::ConcatOp concatOfBytes(kernel::FuncOp func, const Target &target);
void emitConcatOfBytes(KernelBuilder &b, Evaluator &evaluator, nn::ConcatOp op, int64_t tasks);

} // namespace tenon::cpu
