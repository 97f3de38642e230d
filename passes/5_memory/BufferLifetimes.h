// From which step to which one the buffers of a plan are alive.
#pragma once
#include "dialects/plan/Plan.h"
#include "llvm/ADT/MapVector.h"

namespace tenon::memory {

struct StepRange {
  uint32_t first, last;
};

/// Of each plan.alloc that steps of `func` use, through views or not, the first and the last of these; in the order of first uses.
llvm::MapVector<mlir::Operation *, StepRange> bufferLifetimes(plan::FuncOp func);

} // namespace tenon::memory
