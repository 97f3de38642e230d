// Diagnostics as text.
#pragma once
#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/MLIRContext.h"
#include <string>

namespace tenon {

/// Collects a context's diagnostics, while it lives, as lines of text: "file: node 'name': message".
class DiagnosticText {
public:
  DiagnosticText(mlir::MLIRContext *context, llvm::StringRef path);
  /// The lines so far; the next ones start anew.
  std::string take() { return std::exchange(text, {}); }

private:
  void add(mlir::Diagnostic &diagnostic);

  std::string file, text;
  mlir::ScopedDiagnosticHandler handler;
};

} // namespace tenon
