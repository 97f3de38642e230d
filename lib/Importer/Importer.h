// ONNX models to the nn dialect.
#pragma once
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/LogicalResult.h"
#include "llvm/Support/MemoryBuffer.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"
#include <string>
#include <utility>
#include <vector>

namespace tenon {

struct ImportOptions {
  /// Shapes of inputs: (input name, "1x3x224x224" or "batch,3,224,224"). A number fixes a free dimension, for every
  /// input that shares its symbol; a name renames it; "?" leaves it.
  std::vector<std::pair<std::string, std::string>> shapes;
};

/// Reads an ONNX model (IR version 3 and later, opsets 1 to 28) into a module as docs/architecture.md describes it:
/// `func.func @main` in nn, `tenon.phase = "import"`, and the model's own metadata in `tenon.source`.
///
/// Weights stay in the mapped file, which therefore must not change while the context lives. Every tensor is typed,
/// its free dimensions are expressions over the inputs' symbols, and what depends on shapes alone is folded.
/// Loads the dialects it needs. Fails with diagnostics whose text names the file and the node; operators that are not
/// supported are all listed in one. Safe for any input. One thread for each context.
mlir::FailureOr<mlir::OwningOpRef<mlir::ModuleOp>> importOnnx(mlir::MLIRContext *context, llvm::StringRef path,
                                                               const ImportOptions &options);

/// The same for a model in memory, which `buffer` keeps; `name` stands for the path in diagnostics.
mlir::FailureOr<mlir::OwningOpRef<mlir::ModuleOp>> importOnnx(mlir::MLIRContext *context, std::unique_ptr<llvm::MemoryBuffer> buffer,
                                                               llvm::StringRef name, const ImportOptions &options);

struct ImportedOperator {
  std::string domain; // empty for ai.onnx
  std::string name;
  int since, until; // opsets, both inclusive
};
/// What `importOnnx` maps, sorted by domain and name.
std::vector<ImportedOperator> importedOperators();

} // namespace tenon
