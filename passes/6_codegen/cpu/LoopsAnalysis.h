// What the general road must know of a body before it emits loops.
#pragma once
#include "passes/6_codegen/cpu/LoopsEvaluator.h"

namespace tenon::cpu {

/// For each axis of `result` the number of reductions and row statistics that do not depend on it: its loop goes inside.
llvm::SmallVector<int> invariantAxes(mlir::Value result);

/// How often reductions in the body would be computed anew, and how many times values are evaluated at distinct places.
/// False if that multiplies work beyond what a kernel may do.
bool isBounded(mlir::Value result);

/// Operations for one element of `v`, its operands' included where they are computed inside loops (an estimate).
nn::Dim workPerElement(mlir::Value v);

} // namespace tenon::cpu
