// Code of a GPU kernel made to run on this processor: what is PTX's own becomes calls of the emulated machine.
#pragma once
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinOps.h"
#include "test/unit/codegen/gpu/Assembly.h"
#include <memory>

namespace tenon::test {

/// Belongs to a kernel as long as its code may run.
class HostCode {
public:
  /// Rewrites a lowered module, whose kernel `name` becomes `name(ptr parameters)` with the addresses of its parameters' values, as the driver's
  /// launches have them; of tensor maps those of MappedTensor. False where something is not known; `problem` says what.
  bool rewrite(mlir::ModuleOp module, llvm::StringRef name, std::string &problem);

private:
  mlir::Value call(mlir::OpBuilder &b, mlir::Location location, mlir::Value values, llvm::StringRef text, llvm::StringRef constraints,
                   mlir::ValueRange operands, mlir::Type type);
  void replaceByCall(mlir::Operation *op, llvm::StringRef text, llvm::StringRef constraints);
  void replaceIntrinsic(mlir::LLVM::CallIntrinsicOp op);
  void replace(mlir::Operation *op);

  llvm::DenseMap<mlir::Operation *, mlir::Value> places; // of a function: where values are handed over
  std::string foreign;                                   // what is not known
  std::vector<std::unique_ptr<Assembly>> assemblies;
};

} // namespace tenon::test
