// The plan dialect: the runtime's program.
#pragma once
#include "dialects/nn/NN.h"
#include "mlir/IR/SymbolTable.h"

#include "dialects/plan/PlanDialect.h.inc"
#define GET_TYPEDEF_CLASSES
#include "dialects/plan/PlanTypes.h.inc"
#define GET_OP_CLASSES
#include "dialects/plan/PlanOps.h.inc"

namespace tenon::plan {
/// Whether an op of a plan.func is a step of the run; the others say what memory there is.
inline bool isStep(mlir::Operation *op) {
  return llvm::isa<LaunchOp, CopyOp, ReadSizesOp, RequireOp, IfOp, LoopOp>(op);
}
} // namespace tenon::plan
