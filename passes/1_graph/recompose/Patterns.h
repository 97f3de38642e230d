// One idea, one file: each adds the patterns that find a layer in the small ops an exporter made of it.
#pragma once
#include "mlir/IR/PatternMatch.h"

namespace tenon::graph {

void addActivationPatterns(mlir::RewritePatternSet &patterns);    // silu, hard_swish, mish, clip
void addGeluPatterns(mlir::RewritePatternSet &patterns);          // erf and tanh forms
void addReductionPatterns(mlir::RewritePatternSet &patterns);     // mean from sum, kept axes, global pooling
void addSoftmaxPatterns(mlir::RewritePatternSet &patterns);       // from max, sub, exp, sum, div
void addNormalizationPatterns(mlir::RewritePatternSet &patterns); // layer_norm, rms_norm
void addAttentionPatterns(mlir::RewritePatternSet &patterns);     // scaled dot product, masks, safe softmax
void addPixelShufflePatterns(mlir::RewritePatternSet &patterns);  // depth_to_space, space_to_depth
void addLookupPatterns(mlir::RewritePatternSet &patterns);        // gather from products with one-hot vectors

} // namespace tenon::graph
