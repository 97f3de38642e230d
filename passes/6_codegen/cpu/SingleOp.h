// Kernels of one op that has code of its own: operands are views of arguments, results are returned as they are.
#pragma once
#include "dialects/kernel/Kernel.h"
#include <optional>

namespace tenon::cpu {

/// The number of the result that returns `value`; none where nothing does.
inline std::optional<unsigned> returnedAs(kernel::FuncOp func, mlir::Value value) {
  for (auto [i, returned] : llvm::enumerate(func.terminator().getOperands()))
    if (returned == value)
      return unsigned(i);
  return std::nullopt;
}

/// The only `Op` of the body, if there is nothing else than views of arguments; null otherwise.
template <typename Op> Op singleOp(kernel::FuncOp func) {
  Op found;
  for (mlir::Operation &op : func.getBody().front().without_terminator()) {
    if (auto here = llvm::dyn_cast<Op>(op)) {
      if (found)
        return {};
      found = here;
    } else if (!op.hasTrait<nn::ViewLike>()) {
      return {};
    }
  }
  if (!found)
    return {};
  for (mlir::Value operand : found->getOperands())
    if (!llvm::isa<mlir::BlockArgument>(kernel::viewOf(operand).source))
      return {};
  for (mlir::Value returned : func.terminator().getOperands())
    if (returned.getDefiningOp() != found.getOperation())
      return {};
  return found;
}

} // namespace tenon::cpu
