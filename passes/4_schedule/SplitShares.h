// How many vectors of constant weights would be split where fours of bytes are multiplied by an instruction that saturates (cpu/DotSplit.h).
#pragma once
#include "mlir/IR/BuiltinOps.h"

namespace tenon {
struct Target;
}

namespace tenon::schedule {

/// Marks weights of products and 1x1 convolutions of bytes, where the target may split them, with so many in a hundred: the most of what any dispatch passes.
void markSplitShares(mlir::ModuleOp module, const Target &target);

} // namespace tenon::schedule
