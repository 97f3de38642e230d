// Constant folding by Tenon's own compiled code: what the pass asks of whoever can compile and run.
#pragma once
#include "mlir/IR/AsmState.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/Pass.h"

namespace tenon::graph {

/// Compiles and runs nn code at compile time.
class ConstantEvaluator {
public:
  virtual ~ConstantEvaluator() = default;
  /// `module` holds one `func.func @main` of nn ops, all types static. `inputs` are its arguments' elements, row-major
  /// (booleans one byte each), aligned like the blobs they come from; they stay the caller's and are not copied.
  /// Returns one blob for each result, in the same form, aligned to 64 bytes. Reports its own diagnostics. Not called
  /// from several threads at once.
  virtual llvm::FailureOr<llvm::SmallVector<mlir::AsmResourceBlob>>
  evaluate(mlir::ModuleOp module, llvm::ArrayRef<llvm::ArrayRef<char>> inputs) = 0;
};

/// `evaluator` may be null: then the pass only counts what could be folded. It must outlive the pass.
/// `everything` also folds what is much larger than its operands.
std::unique_ptr<mlir::Pass> createFoldConstantsPass(ConstantEvaluator *evaluator, bool everything = false);

} // namespace tenon::graph
