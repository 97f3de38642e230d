// The nn dialect: the graph, opset-free, value semantics on tensors with symbolic dimensions.
#pragma once
#include "dialects/nn/Dim.h"
#include "mlir/Bytecode/BytecodeOpInterface.h"
#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Dialect.h"
#include "mlir/IR/OpDefinition.h"
#include "mlir/IR/OpImplementation.h"
#include "mlir/Interfaces/InferTypeOpInterface.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

#include "dialects/nn/NNDialect.h.inc"
#include "dialects/nn/NNEnums.h.inc"
#define GET_ATTRDEF_CLASSES
#include "dialects/nn/NNAttrs.h.inc"

namespace tenon::nn {
/// Marks ops that compute each result element from the operands' elements at the same (broadcast) position.
template <typename ConcreteType> class Elementwise : public mlir::OpTrait::TraitBase<ConcreteType, Elementwise> {};
/// Marks ops that only rearrange or select elements of their first operand (transpose, reshape, slice, expand).
template <typename ConcreteType> class ViewLike : public mlir::OpTrait::TraitBase<ConcreteType, ViewLike> {};
} // namespace tenon::nn

#define GET_OP_CLASSES
#include "dialects/nn/NNOps.h.inc"
