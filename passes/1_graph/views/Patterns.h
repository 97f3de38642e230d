// Rewrites of data movement: one file for each family of ops.
#pragma once
#include "mlir/IR/PatternMatch.h"

namespace tenon::graph {

void addViewCanonicalizations(mlir::RewritePatternSet &patterns); // the dialect's own, of views, concat and gather
void addSlicePatterns(mlir::RewritePatternSet &patterns);         // slices move towards their source
void addConcatPatterns(mlir::RewritePatternSet &patterns);        // concat of slices, slices of concat
void addReshapePatterns(mlir::RewritePatternSet &patterns);       // reshapes move after matmul and elementwise ops
void addUnitSplittingPatterns(mlir::RewritePatternSet &patterns); // last of all: transposes move no axes of size 1
void addTransposeSinkingPatterns(mlir::RewritePatternSet &patterns);   // through elementwise ops, concat, slice, pad, reduce ...
void addTransposeIntoOpsPatterns(mlir::RewritePatternSet &patterns);   // through reshape, into matmul
void addTransposeHoistingPatterns(mlir::RewritePatternSet &patterns);  // before concat and pad

} // namespace tenon::graph
