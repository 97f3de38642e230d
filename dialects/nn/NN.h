// The nn dialect: the graph, opset-free, value semantics on tensors with symbolic dimensions.
#pragma once
#include "dialects/nn/Dim.h"
#include "mlir/Bytecode/BytecodeOpInterface.h"
#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Dialect.h"
#include "mlir/IR/OpDefinition.h"
#include "mlir/IR/OpImplementation.h"
#include "mlir/IR/SymbolTable.h"
#include "mlir/IR/TensorEncoding.h"
#include "mlir/Interfaces/InferTypeOpInterface.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

#include "dialects/nn/NNDialect.h.inc"
#include "dialects/nn/NNEnums.h.inc"
#define GET_ATTRDEF_CLASSES
#include "dialects/nn/NNAttrs.h.inc"

namespace tenon::nn {
/// Folders evaluate constants of at most this many elements; larger ones are left to constant folding, which runs code.
constexpr int64_t kMaxFoldedElements = 4096;

/// Whether every free axis of a ranked tensor is named by `#nn.dims`.
bool hasNamedDims(mlir::Type type);

mlir::LogicalResult verifyByInference(mlir::Operation *op);
template <typename ConcreteType> class VerifiedByInference : public mlir::OpTrait::TraitBase<ConcreteType, VerifiedByInference> {
public:
  static mlir::LogicalResult verifyTrait(mlir::Operation *op) { return verifyByInference(op); }
};

/// Marks ops that compute each result element from the operands' elements at the same (broadcast) position.
template <typename ConcreteType> class Elementwise : public mlir::OpTrait::TraitBase<ConcreteType, Elementwise> {};
/// Marks ops that only rearrange or select elements of their first operand (transpose, reshape, slice, expand).
template <typename ConcreteType> class ViewLike : public mlir::OpTrait::TraitBase<ConcreteType, ViewLike> {};
} // namespace tenon::nn

#define GET_OP_CLASSES
#include "dialects/nn/NNOps.h.inc"

#include "dialects/nn/DimFold.h"

namespace tenon::nn {
/// The symbols that an op defines: sizes that only the run knows, and that are known behind it.
llvm::SmallVector<llvm::StringRef> definedSymbols(mlir::Operation *op);

template <typename OpTy> constexpr unsigned resultCount() {
  if (OpTy::template hasTrait<mlir::OpTrait::OneResult>())
    return 1;
  return OpTy::template hasTrait<mlir::OpTrait::NResults<2>::template Impl>() ? 2 : 3;
}

/// Creates an op from input that may be wrong: where the result types cannot be inferred it has reported the reason at `loc`
/// and fails. `OpTy::create` is for input that is known to be right: it ends the program instead.
template <typename OpTy, typename... Args>
mlir::FailureOr<OpTy> tryCreate(mlir::OpBuilder &builder, mlir::Location loc, Args &&...args) {
  mlir::OperationState state(loc, OpTy::getOperationName());
  // The results' types are placeholders until they are inferred from what `build` made of the arguments.
  llvm::SmallVector<mlir::Type> types(resultCount<OpTy>(), builder.getNoneType());
  OpTy::build(builder, state, mlir::TypeRange(types), std::forward<Args>(args)...);
  state.types.clear();
  if (mlir::failed(OpTy::inferReturnTypes(builder.getContext(), loc, state.operands, state.attributes.getDictionary(builder.getContext()),
                                          state.getRawProperties(), state.regions, state.types)))
    return mlir::failure();
  return llvm::cast<OpTy>(builder.create(state));
}
} // namespace tenon::nn
