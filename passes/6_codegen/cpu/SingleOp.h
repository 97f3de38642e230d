// The op that a kernel is about; and kernels of one op that has code of its own: operands are views of arguments, results are returned as they are.
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

/// The only `Op` of the body, whatever else is in it; null where there is none or another one.
template <typename Op> Op onlyOp(kernel::FuncOp func) {
  auto ops = func.getBody().getOps<Op>();
  return llvm::hasSingleElement(ops) ? *ops.begin() : Op();
}

/// The only `Op` of the body, if there is nothing else than views of arguments; null otherwise.
template <typename Op> Op singleOp(kernel::FuncOp func) {
  Op found = onlyOp<Op>(func);
  if (!found)
    return {};
  for (mlir::Operation &op : func.getBody().front().without_terminator())
    if (&op != found.getOperation() && !op.hasTrait<nn::ViewLike>())
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
