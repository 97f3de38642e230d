// Reads values that are arguments, views of arguments, constants, or elementwise ops of such: operands of epilogues, simple prologues.
#pragma once
#include "passes/6_codegen/cpu/LanePosition.h"

namespace tenon::cpu {

class OperandReader {
public:
  explicit OperandReader(KernelBuilder &b) : b(b) {}

  static bool canRead(mlir::Value value);

  /// The element (a scalar) or the lanes (a vector, or a scalar where all lanes are the same) at `position` of `value`'s own shape,
  /// in the computation type. `mask` as in KernelBuilder or null.
  mlir::Value read(mlir::Value value, const LanePosition &position, mlir::Value mask);
  /// The same, `position` being one of a shape that `value` broadcasts to.
  mlir::Value readBroadcast(mlir::Value value, llvm::ArrayRef<nn::Dim> shape, const LanePosition &position, mlir::Value mask);

  /// The memory behind `value` if it is read at every position of `shape` itself: what is worth a prefetch.
  std::optional<Tensor> memoryOf(mlir::Value value, llvm::ArrayRef<nn::Dim> shape);

private:
  mlir::Value readMemory(const Tensor &memory, const LanePosition &position, mlir::Value mask);
  mlir::Value readConstant(nn::ConstantOp op, const LanePosition &position, mlir::Value mask);
  const Tensor &memory(mlir::Value value);

  KernelBuilder &b;
  llvm::DenseMap<mlir::Value, Tensor> memories;
};

} // namespace tenon::cpu
