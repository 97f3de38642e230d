// Phase dumps: text that can be compiled on, with the weights beside it.
#pragma once
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"
#include <string>

namespace tenon {

/// Writes modules after each phase into a folder, and the weights they name into one file there.
class PhaseDump {
public:
  /// Makes the folder. An empty path: nothing is dumped.
  explicit PhaseDump(std::string folder) : folder(std::move(folder)) {}
  /// Writes NN-phase.mlir.
  mlir::LogicalResult write(mlir::ModuleOp module, int number, llvm::StringRef phase);
  /// Writes weights.mlirbc: every blob that a written module names.
  mlir::LogicalResult writeWeights(mlir::MLIRContext *context);

private:
  std::string folder;
  llvm::SmallVector<mlir::Attribute> weights;
  llvm::DenseSet<mlir::Attribute> known;
};

/// The module's text, weights left out.
std::string moduleText(mlir::ModuleOp module);

/// Parses a dumped module; weights come from weights.mlirbc in its folder, where that exists.
mlir::OwningOpRef<mlir::ModuleOp> parseDump(mlir::MLIRContext *context, llvm::StringRef path);

} // namespace tenon
