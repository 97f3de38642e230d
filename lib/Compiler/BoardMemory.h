// Whether a plan fits into the memory of the board that it is for.
#pragma once
#include "lib/Target/Target.h"
#include "mlir/IR/BuiltinOps.h"

namespace tenon {

/// Fails where `target` is a board whose memory is less than what the plan in `module` needs at least: weights, arena, inputs and outputs, with every
/// free dimension at 1. What the system and the driver take is not counted, nor sizes that only a run knows, branches and loops.
mlir::LogicalResult requireBoardMemory(mlir::ModuleOp module, const Target &target);

} // namespace tenon
