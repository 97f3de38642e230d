// Where every tensor of @main lives: a buffer of its own, or a strided part of another tensor's buffer.
#pragma once
#include "dialects/kernel/Kernel.h"
#include "lib/Target/Target.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/MapVector.h"

namespace tenon::memory {

/// Element [i...] of a tensor is element offset + sum of i * strides of `owner`'s memory.
struct Place {
  mlir::Value owner;                  // the tensor whose buffer it is; itself where it has its own
  nn::Dim offset;                     // elements
  llvm::SmallVector<nn::Dim> strides; // elements, one an axis
};

/// Whether `strides` address the tensor's elements densely in row-major order (axes of size 1 do not count).
bool isDense(mlir::Type tensor, llvm::ArrayRef<nn::Dim> strides);

/// The value of which `value` is a reshape.
mlir::Value throughReshapes(mlir::Value value);

/// Answers whether the family of a kernel computes it with a given stride pattern, and makes such variants.
class StridedKernels {
public:
  StridedKernels(mlir::ModuleOp module, const Target &target) : symbols(module), target(target) {}
  kernel::FuncOp lookup(kernel::DispatchOp dispatch) { return symbols.lookup<kernel::FuncOp>(dispatch.getKernel()); }
  bool acceptsArgument(kernel::DispatchOp dispatch, unsigned index, llvm::ArrayRef<nn::Dim> strides);
  bool acceptsResult(kernel::DispatchOp dispatch, unsigned index, llvm::ArrayRef<nn::Dim> strides);
  /// The kernel with these strides: null entries are dense. `func` itself where all are.
  kernel::FuncOp variant(kernel::FuncOp func, llvm::ArrayRef<nn::DimsAttr> arguments, llvm::ArrayRef<nn::DimsAttr> results);
  /// A kernel that copies a tensor of this type.
  kernel::FuncOp copyKernel(mlir::RankedTensorType type);
  bool isForGpu() const { return target.isGpu(); }
  unsigned variants = 0;

private:
  bool accepts(kernel::FuncOp func, bool isResult, unsigned index, llvm::ArrayRef<nn::Dim> strides);
  mlir::SymbolTable symbols;
  const Target &target;
  llvm::DenseMap<std::tuple<mlir::Operation *, unsigned, mlir::Attribute>, bool> answers;
  llvm::DenseMap<std::pair<mlir::Operation *, mlir::Attribute>, kernel::FuncOp> made;
  llvm::DenseMap<mlir::Type, kernel::FuncOp> copies;
};

/// Decides all places of one function. Order: returned values, concats (last first), slices and reshapes, overwriting.
class Placement {
public:
  Placement(mlir::func::FuncOp func, StridedKernels &kernels, bool inPlace);

  const Place &of(mlir::Value value) const { return places.find(value)->second; }
  /// Slices and concats that need no launch.
  bool isView(mlir::Operation *op) const { return viewOps.contains(op); }
  unsigned views = 0, copies = 0, overwritten = 0;

private:
  void placeConcat(kernel::DispatchOp dispatch, int64_t axis);
  bool sideBySide(kernel::DispatchOp concat, int64_t axis);
  bool canMove(mlir::Value value, kernel::DispatchOp concat, llvm::ArrayRef<nn::Dim> strides);
  std::optional<llvm::SmallVector<nn::Dim>> canMoveThrough(mlir::Value value, kernel::DispatchOp concat, llvm::ArrayRef<nn::Dim> strides);
  bool readersAccept(mlir::Value value, llvm::ArrayRef<nn::Dim> strides, mlir::Operation *except);
  void placeSlice(kernel::DispatchOp dispatch);
  void placeReshape(mlir::Operation *op);
  void overwrite(kernel::DispatchOp dispatch);
  mlir::Value copyInto(mlir::OpOperand &operand);

  mlir::func::FuncOp func;
  StridedKernels &kernels;
  kernel::SizeDefinitions sizes;
  llvm::DenseMap<mlir::Value, Place> places;
  llvm::DenseSet<mlir::Operation *> viewOps;
  llvm::DenseSet<mlir::Value> returned;
};

} // namespace tenon::memory
