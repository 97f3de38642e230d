// Sums of products over atoms: the canonical form behind nn::Dim. Private to the dialect.
#pragma once
#include "dialects/nn/NN.h"

namespace tenon::nn {

/// One product: an integer times atoms (sorted, repeated for powers). No atoms: the constant term.
struct Term {
  int64_t coefficient;
  mlir::ArrayAttr atoms;
};

/// Expressions larger than these are replaced by overflow: hostile models cannot make shape inference blow up.
constexpr size_t kMaxTerms = 128;
constexpr size_t kMaxExpressionNodes = 4096;

/// A total order of atoms and of products that does not depend on addresses. Products: higher degree first, then
/// lexicographic; an admissible monomial order, so that polynomial division ends.
int compareAtoms(mlir::Attribute a, mlir::Attribute b);
int compareProducts(mlir::ArrayAttr a, mlir::ArrayAttr b);
int compareExprs(ExprAttr a, ExprAttr b);

/// The canonical expression of a sum in any order, with repetitions; overflow where a coefficient does not fit.
Dim makeDim(mlir::MLIRContext *ctx, llvm::SmallVector<Term> terms);
llvm::SmallVector<Term> termsOf(Dim dim);
mlir::ArrayAttr multiplyAtoms(mlir::ArrayAttr a, mlir::ArrayAttr b);
/// `a / b` as multisets, or null where b is not contained in a.
mlir::ArrayAttr divideAtoms(mlir::ArrayAttr a, mlir::ArrayAttr b);

/// The expression of a single atom.
Dim atomDim(mlir::Attribute atom);
/// `function(lhs, rhs)` as it stands, or overflow if it would be too large.
Dim callDim(llvm::StringRef function, Dim lhs, Dim rhs);
/// What arithmetic that overflowed gives: absorbs every operation, is no constant, evaluates to nothing.
Dim overflowDim(mlir::MLIRContext *ctx);

int64_t floorDivide(int64_t a, int64_t b); // b > 0
int64_t floorModulo(int64_t a, int64_t b); // b > 0

} // namespace tenon::nn
