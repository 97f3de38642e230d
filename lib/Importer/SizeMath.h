// Arithmetic on the sizes that a node's inputs hold when only the run computes them: small i64 vectors.
#pragma once
#include "lib/Importer/Node.h"

namespace tenon::importer {

/// Builds nn ops on vectors of i64. What is known folds.
class SizeMath {
public:
  explicit SizeMath(Node &node) : node(node) {}

  mlir::Value vector(llvm::ArrayRef<nn::Dim> values);
  mlir::Value vector(llvm::ArrayRef<int64_t> values);
  /// One number for every entry of another vector, by broadcasting.
  mlir::Value number(int64_t value) { return vector(llvm::ArrayRef<int64_t>{value}); }
  /// Any integer tensor as a vector of i64.
  mlir::Value flat(mlir::Value value);
  /// 0, 1, ... count - 1.
  mlir::Value positions(nn::Dim count);
  mlir::Value positions(int64_t count) { return positions(node.dim(count)); }

  mlir::Value add(mlir::Value a, mlir::Value b) { return node.make<nn::AddOp>(a, b); }
  mlir::Value sub(mlir::Value a, mlir::Value b) { return node.make<nn::SubOp>(a, b); }
  mlir::Value mul(mlir::Value a, mlir::Value b) { return node.make<nn::MulOp>(a, b); }
  mlir::Value div(mlir::Value a, mlir::Value b) { return node.make<nn::DivOp>(a, b); } // towards zero
  mlir::Value min(mlir::Value a, mlir::Value b) { return node.make<nn::MinOp>(a, b); }
  mlir::Value max(mlir::Value a, mlir::Value b) { return node.make<nn::MaxOp>(a, b); }
  mlir::Value either(mlir::Value a, mlir::Value b) { return node.make<nn::OrOp>(a, b); }
  mlir::Value isEqual(mlir::Value a, mlir::Value b) { return node.make<nn::EqualOp>(a, b); }
  mlir::Value isLess(mlir::Value a, mlir::Value b) { return node.make<nn::LessOp>(a, b); }
  mlir::Value choose(mlir::Value condition, mlir::Value yes, mlir::Value no) { return node.make<nn::SelectOp>(condition, yes, no); }
  /// Sum or product of all entries, as a vector of one.
  mlir::Value sum(mlir::Value v) { return reduce(v, nn::ReduceKind::Sum); }
  mlir::Value product(mlir::Value v) { return reduce(v, nn::ReduceKind::Prod); }
  mlir::Value concat(llvm::ArrayRef<mlir::Value> parts);
  /// Entry i as a scalar.
  mlir::Value entry(mlir::Value v, int64_t i);

  /// Indices that may count from the end of `size` entries, as they count from the front.
  mlir::Value fromFront(mlir::Value indices, mlir::Value size) { return choose(isLess(indices, number(0)), add(indices, size), indices); }
  /// A vector like `otherwise` whose entries at the axes (counted from the front) are those of `values`.
  mlir::Value spread(mlir::Value values, mlir::Value axes, mlir::Value otherwise);
  /// For every one of `rank` axes whether input `i`, of any length, lists it. The run fails where an entry is no axis or stands there twice.
  mlir::Value isListed(size_t i, int64_t rank);
  /// The entries of `values` where `isDropped` is false, which are `count` many.
  mlir::Value keep(mlir::Value values, mlir::Value isDropped, int64_t count);

private:
  mlir::Value reduce(mlir::Value v, nn::ReduceKind kind);
  Node &node;
};

} // namespace tenon::importer
