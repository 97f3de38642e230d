// Constant folding by running compiled code.
#pragma once
#include "passes/1_graph/FoldConstants.h"

namespace tenon {

/// Evaluates constant subgraphs: compiles them for this machine, runs them in this process. Stateless.
class CompiledEvaluator : public graph::ConstantEvaluator {
public:
  mlir::FailureOr<llvm::SmallVector<mlir::AsmResourceBlob>> evaluate(mlir::ModuleOp module, llvm::ArrayRef<llvm::ArrayRef<char>> inputs) override;
};

} // namespace tenon
