// Products whose left operand comes through tensor maps (TMA): groups of four warps multiply, one thread of another warp has tiles copied for them.
#pragma once
#include "passes/6_codegen/gpu/MatrixSchedule.h"

namespace tenon::gpu {

/// Those that can be copied so, and fit.
llvm::SmallVector<MatrixSchedule> tmaSchedules(const MatrixProblem &p, const Target &target);
void emitTma(KernelBuilder &b, const MatrixProblem &p, const MatrixSchedule &s);

} // namespace tenon::gpu
