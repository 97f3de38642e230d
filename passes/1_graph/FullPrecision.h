// What stays f32 where tensors are stored in a half type.
#pragma once
#include "dialects/nn/NN.h"
#include "llvm/ADT/DenseSet.h"

namespace tenon::graph {

/// The ops of `body` whose f32 results a half type would spoil: what lies between bytes, what leads to a logarithm, narrow layers whose biases
/// are large, and the few numbers that sizes, trip counts and conditions are computed from. Biases and ops that never take halves are not among them.
llvm::DenseSet<mlir::Operation *> opsInFull(mlir::Block &body);

} // namespace tenon::graph
