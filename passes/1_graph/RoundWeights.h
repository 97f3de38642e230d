// Weights in fewer bits, whose errors cancel.
#pragma once
#include "dialects/nn/NN.h"

namespace tenon::graph {

/// The weights [K, C, R...] of a convolution, f32, each rounded to a half type so that what one loses the next ones gain: a filter keeps its sum, and that
/// of the taps of every channel. Null where the constant is of other elements, all the same, or none that are finite in the half type.
mlir::ElementsAttr roundFilters(mlir::ElementsAttr weights, const llvm::fltSemantics &half);

/// The weights of a product, f32, made larger by what is cut off the product's other factors in the mean, and rounded to tf32: those of a convolution
/// so that its filters keep their sums, others each. Null where the constant is of other elements, or all the same.
mlir::ElementsAttr shortenWeights(mlir::ElementsAttr weights);

} // namespace tenon::graph
