// Short names for what decompositions of operators are made of. Elementwise names broadcast as the ops do.
#pragma once
#include "lib/Importer/Node.h"

namespace tenon::importer {

class Formula {
public:
  explicit Formula(Node &node) : node(node) {}

  mlir::Value add(mlir::Value a, mlir::Value b) { return node.make<nn::AddOp>(a, b); }
  mlir::Value sub(mlir::Value a, mlir::Value b) { return node.make<nn::SubOp>(a, b); }
  mlir::Value mul(mlir::Value a, mlir::Value b) { return node.make<nn::MulOp>(a, b); }
  mlir::Value div(mlir::Value a, mlir::Value b) { return node.make<nn::DivOp>(a, b); }
  mlir::Value less(mlir::Value a, mlir::Value b) { return node.make<nn::LessOp>(a, b); }
  mlir::Value atMost(mlir::Value a, mlir::Value b) { return node.make<nn::LessOrEqualOp>(a, b); }
  mlir::Value equal(mlir::Value a, mlir::Value b) { return node.make<nn::EqualOp>(a, b); }
  mlir::Value both(mlir::Value a, mlir::Value b) { return node.make<nn::AndOp>(a, b); }
  mlir::Value select(mlir::Value condition, mlir::Value a, mlir::Value b) { return node.make<nn::SelectOp>(condition, a, b); }

  /// A scalar of the element type that `like` has. Null after a failure.
  mlir::Value number(double value, mlir::Value like) {
    return node.failed() ? mlir::Value() : node.scalar(value, mlir::getElementTypeOrSelf(like.getType()));
  }
  mlir::Value add(mlir::Value a, double b) { return add(a, number(b, a)); }
  mlir::Value mul(mlir::Value a, double b) { return mul(a, number(b, a)); }
  mlir::Value div(mlir::Value a, double b) { return div(a, number(b, a)); }

  mlir::Value reduce(nn::ReduceKind kind, mlir::Value value, llvm::ArrayRef<int64_t> axes, bool keep = true) {
    return node.make<nn::ReduceOp>(value, nn::ReduceKindAttr::get(node.context, kind), node.i64s(axes), node.unit(keep));
  }
  mlir::Value matmul(mlir::Value lhs, mlir::Value rhs, bool transposeRhs = false) {
    return node.make<nn::MatMulOp>(lhs, rhs, mlir::Value(), mlir::UnitAttr(), node.unit(transposeRhs));
  }
  mlir::Value concat(mlir::ValueRange values, int64_t axis) { return node.make<nn::ConcatOp>(values, node.i64(axis)); }

  /// 0, 1, ... size - 1 as i64 along axis `axis` of a tensor of `rank` axes; the others have size 1.
  mlir::Value positions(nn::Dim size, int64_t axis, int64_t rank) {
    mlir::Type i64 = node.builder.getI64Type();
    mlir::Value count = node.make<nn::RangeOp>(node.scalar(0, i64), node.scalar(1, i64), node.dimsAttr({size}));
    llvm::SmallVector<nn::Dim> dims(rank, node.dim(1));
    dims[axis] = size;
    return rank == 1 ? count : node.reshape(count, dims);
  }
  /// A size as an i64 scalar.
  mlir::Value sizeValue(nn::Dim size) { return node.constant({size}, mlir::RankedTensorType::get({}, node.builder.getI64Type())); }
  /// 1 / sqrt(size) as a scalar of floating-point type `element`.
  mlir::Value inverseRoot(nn::Dim size, mlir::Type element) {
    return node.make<nn::ReciprocalOp>(node.make<nn::SqrtOp>(node.cast(sizeValue(size), element)));
  }
  mlir::Value expand(mlir::Value value, llvm::ArrayRef<nn::Dim> dims) {
    if (node.failed() || llvm::ArrayRef(nn::dimsOf(value.getType())) == dims)
      return value;
    return node.make<nn::ExpandOp>(value, node.dimsAttr(dims));
  }
  /// The value with an axis of size 1 put before `axis`.
  mlir::Value unsqueeze(mlir::Value value, int64_t axis) {
    if (node.failed())
      return {};
    llvm::SmallVector<nn::Dim> dims = nn::dimsOf(value.getType());
    dims.insert(dims.begin() + axis, node.dim(1));
    return node.reshape(value, dims);
  }

private:
  Node &node;
};

/// The sizes of a value; none (an empty list) of the null value after a failure.
inline llvm::SmallVector<nn::Dim> sizesOf(mlir::Value value) {
  return value ? nn::dimsOf(value.getType()) : llvm::SmallVector<nn::Dim>();
}

} // namespace tenon::importer
