// Whether a plan fits into the memory of the board that it is for.
#pragma once
#include "lib/Target/Target.h"
#include "mlir/IR/BuiltinOps.h"

namespace tenon {

/// Fails where `target` is a board whose memory is less than what the plan in `module` needs at least: weights, and of sizes that are known the
/// arena, inputs and outputs.
mlir::LogicalResult requireBoardMemory(mlir::ModuleOp module, const Target &target);

} // namespace tenon
