// A kernel that is elementwise throughout, as expressions over values that are read from memory.
#pragma once
#include "passes/6_codegen/cpu/LoopsEvaluator.h"

namespace tenon::cpu {

/// A value that is read from memory: where its elements lie for an element of the result.
struct Leaf {
  mlir::Value value;
  llvm::SmallVector<nn::Dim> strides; // one an axis of the result; 0 where it is broadcast
};

/// Every op of the body is elementwise or a view, every operand an argument seen through strides or a splat constant, and all results
/// have one shape.
struct ElementwiseProgram {
  llvm::SmallVector<nn::Dim> dims; // of the results
  llvm::SmallVector<Leaf> leaves;
  llvm::DenseMap<mlir::Value, unsigned> leafOf;

  /// None if the kernel is anything else.
  static std::optional<ElementwiseProgram> of(kernel::FuncOp func);

private:
  bool add(mlir::Value v);
  bool fits(mlir::Value v) const;
  llvm::DenseSet<mlir::Value> seen;
};

/// The result's axes, consecutive ones merged where every operand and every result walks them with one stride.
struct MergedAxes {
  llvm::SmallVector<nn::Dim> sizes;
  llvm::SmallVector<llvm::SmallVector<nn::Dim>> strides; // [leaves, then results][axis]

  MergedAxes(const ElementwiseProgram &program, kernel::FuncOp func);
};

/// Evaluates the program over merged axes.
class ElementwiseEmitter {
public:
  ElementwiseEmitter(KernelBuilder &b, kernel::FuncOp func);

  /// Loads, once, what loops over the axes that are unknown at `place` do not move.
  void hoistLeaves(const Place &place);
  /// The results at `place`, in storage types. A leaf with an entry in `given` is not loaded.
  llvm::SmallVector<mlir::Value> values(const Place &place, llvm::ArrayRef<mlir::Value> given = {});
  /// Computes and stores all results at `place`; all reads come before all writes.
  void store(const Place &place, llvm::ArrayRef<mlir::Value> given = {});
  Index offsetOf(const Tensor &t, const Place &place);

  KernelBuilder &b;
  kernel::FuncOp func;
  ElementwiseProgram program;
  MergedAxes merged;
  Evaluator evaluator; // for scopes and constants
  llvm::SmallVector<Tensor> leaves, results; // over the merged axes

private:
  mlir::Value load(unsigned leaf, const Place &place, mlir::Value given);
  mlir::Value value(mlir::Value v, const Place &place, llvm::ArrayRef<mlir::Value> given);

  llvm::SmallVector<mlir::Value> hoisted; // a scalar in storage type where the leaf does not move in the loops below
  llvm::DenseMap<mlir::Value, mlir::Value> known;
};

} // namespace tenon::cpu
