#include "passes/5_memory/BufferLifetimes.h"

namespace tenon::memory {
using namespace mlir;

llvm::MapVector<Operation *, StepRange> bufferLifetimes(plan::FuncOp func) {
  llvm::MapVector<Operation *, StepRange> lifetimes;
  uint32_t step = 0;
  for (Operation &op : func.getBody().front()) {
    if (!plan::isStep(&op))
      continue;
    for (Value operand : op.getOperands()) {
      while (auto view = operand.getDefiningOp<plan::ViewOp>())
        operand = view.getSource();
      if (auto alloc = operand.getDefiningOp<plan::AllocOp>())
        lifetimes.try_emplace(alloc, StepRange{step, step}).first->second.last = step;
    }
    ++step;
  }
  return lifetimes;
}

} // namespace tenon::memory
