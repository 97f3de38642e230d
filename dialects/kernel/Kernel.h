// The kernel dialect: kernel.func, kernel.dispatch, schedules and packed layouts.
#pragma once
#include "dialects/nn/NN.h"
#include "mlir/IR/SymbolTable.h"
#include "mlir/Interfaces/CallInterfaces.h"
#include "mlir/Interfaces/ControlFlowInterfaces.h"
#include "mlir/Interfaces/FunctionInterfaces.h"
#include "llvm/ADT/StringMap.h"
#include <array>

namespace tenon::kernel {
class ReturnOp;
}
#include "dialects/kernel/KernelDialect.h.inc"
#define GET_ATTRDEF_CLASSES
#include "dialects/kernel/KernelAttrs.h.inc"
#define GET_OP_CLASSES
#include "dialects/kernel/KernelOps.h.inc"

namespace tenon::kernel {

/// Builds the nn ops that pack `value` as `packing` says (constant folding evaluates them).
mlir::Value buildPacking(mlir::OpBuilder &builder, mlir::Location loc, mlir::Value value, PackingAttr packing);

/// G of Winograd's F(m x m, 3 x 3), m is 2 or 4: m + 2 rows of 3, the interpolation points 0, 1, -1 (2, -2) and infinity.
llvm::ArrayRef<std::array<double, 3>> winogradFilterMatrix(int64_t m);

/// Sets `symbols` to the sizes that the function's types and attributes use, in order of first appearance.
void collectSymbols(FuncOp func);

/// Which ops define the sizes that others use: a dependency that no operand shows. Empty, and then free, where a block has no nn.read_sizes.
class SizeDefinitions {
public:
  explicit SizeDefinitions(mlir::Block &block);
  /// The ops that define what the types, attributes or kernel of `op` use.
  llvm::SmallVector<mlir::Operation *> of(mlir::Operation *op) const;
  /// Whether every size of a tensor is defined before `user`, an op of the block.
  bool isKnown(mlir::Type tensor, mlir::Operation *user) const;
  bool empty() const { return definers.empty(); }

private:
  llvm::StringMap<mlir::Operation *> definers;
};

/// Orders the ops of a block so that operands and sizes come before their users, as near to the present order as that allows.
/// False, with some ops out of order, where they depend on each other in a circle.
bool sortByDependencies(mlir::Block &block);

/// Row-major strides of a dense tensor, in elements.
llvm::SmallVector<nn::Dim> denseStrides(mlir::Type tensor);

/// A tensor that is read in place: element [i...] of the view is element offset + sum of i * strides of `source`.
struct View {
  mlir::Value source;               // a block argument of the kernel, or any value that is computed
  nn::Dim offset;                   // in elements
  llvm::SmallVector<nn::Dim> strides; // in elements, one an axis of the viewed value; 0 where it is broadcast
};
/// Follows nn.transpose, nn.reshape (splitting or merging dense axes), nn.slice and nn.expand back from `value` as far as
/// strides can express them. `strides` of a block argument are those of its `kernel.strides`.
View viewOf(mlir::Value value);

} // namespace tenon::kernel
