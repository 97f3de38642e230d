// Elementwise arithmetic that ends in bytes, as a function of few values: what may be moved or tabulated as a whole.
#pragma once
#include "passes/1_graph/Match.h"
#include "mlir/IR/IRMapping.h"

namespace tenon::quantize {

/// The elementwise ops above and including `root`, each of root's shape, whose other operands are constants of one element.
struct Chain {
  mlir::Value root;
  llvm::SetVector<mlir::Operation *> ops;   // operands before users
  llvm::SetVector<mlir::Value> sources;     // what it reads besides constants: values of root's shape

  /// Stops at 8-bit values where `stopAtBytes`, else at whatever is not elementwise.
  static Chain of(mlir::Value root, bool stopAtBytes);
  /// The same function of other sources: each `values[i]` in the place of sources[i], of any shape.
  mlir::Value clone(mlir::OpBuilder &builder, llvm::ArrayRef<mlir::Value> values) const;
  /// The same elsewhere: with copies of its constants.
  mlir::Value cloneWithConstants(mlir::OpBuilder &builder, llvm::ArrayRef<mlir::Value> values) const;

private:
  mlir::Value clone(mlir::OpBuilder &builder, mlir::IRMapping &mapping, llvm::ArrayRef<mlir::Value> values) const;
};

bool isByte(mlir::Value value);

} // namespace tenon::quantize
