// What stays f32 where tensors are stored in a half type.
#pragma once
#include "dialects/nn/NN.h"
#include "llvm/ADT/DenseSet.h"

namespace tenon::graph {

/// The ops of `body` whose f32 results a half type would spoil: what lies between bytes, what leads to a logarithm, narrow layers whose biases
/// are large, and the few numbers that sizes, trip counts and conditions are computed from. Biases and ops that never take halves are not among them.
llvm::DenseSet<mlir::Operation *> opsInFull(mlir::Block &body);

/// Adds to `full` what bf16 would spoil besides, whose mantissa has three bits less than that of f16: small networks and those of short sums, in
/// others short sums among longer ones, sums that all layers of a transformer add to, and what only outputs, decisions and such ops read. `keepsFull`
/// are ops that are f32 in any case.
void addOpsForShortMantissa(mlir::Block &body, llvm::function_ref<bool(mlir::Operation *)> keepsFull, llvm::DenseSet<mlir::Operation *> &full);

bool isProduct(mlir::Operation *op);
/// Whether floats go through `op` as they are, or a few of them make one: no product, whose factors should be halves.
bool passesFloats(mlir::Operation *op);
/// How many products each sum has; of others than convolutions and plain products, and where only a run knows, many.
int64_t termsOf(mlir::Operation *op);

} // namespace tenon::graph
