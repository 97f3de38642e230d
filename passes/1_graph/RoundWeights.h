// Weights in a half type whose errors cancel.
#pragma once
#include "dialects/nn/NN.h"

namespace tenon::graph {

/// The weights [K, C, R...] of a convolution, f32, each rounded to a half type so that what one loses the next ones gain: a filter keeps its sum, and that
/// of the taps of every channel. Null where the constant is of other elements, all the same, or none that are finite in the half type.
mlir::ElementsAttr roundFilters(mlir::ElementsAttr weights, const llvm::fltSemantics &half);

} // namespace tenon::graph
