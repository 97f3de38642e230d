// Determinants of small matrices.
#include "lib/Importer/Formula.h"
#include "lib/Importer/Operators.h"

namespace tenon::importer {
using namespace mlir;
using nn::Dim;

/// Matrices [count, n, n] in the corner of ones of `most` rows, with ones on what is left of the diagonal: they have the same determinant.
static Value bordered(Node &node, Value matrices, Dim rows, int64_t most) {
  Formula f(node);
  Dim zero = node.dim(0), missing = node.dim(most) - rows;
  node.requireAtMost(rows, node.dim(most), "the rows of the matrices");
  Value padded = node.make<nn::PadOp>(matrices, Value(), node.dimsAttr({zero, zero, zero}), node.dimsAttr({zero, missing, missing}),
                                      nn::PadModeAttr::get(node.context, nn::PadMode::Constant));
  Value row = f.positions(node.dim(most), 1, 3), column = f.positions(node.dim(most), 2, 3);
  Value isBorder = f.both(f.equal(row, column), f.atMost(f.sizeValue(rows), row));
  return f.select(isBorder, node.scalar(1, node.element(0)), padded);
}

/// Gaussian elimination with the largest element of the column as pivot, one column after the other, for all matrices at once.
static void determinant(Node &node) {
  int64_t rank = node.rank(0);
  if (rank < 2)
    return node.invalid("the input has rank " + Twine(rank) + "; at least 2 was expected");
  SmallVector<Dim> dims = node.dims(0), outer(dims.begin(), dims.end() - 2);
  if (dims[rank - 1] != dims[rank - 2] && dims[rank - 1].isConstant() && dims[rank - 2].isConstant())
    return node.invalid("matrices of " + dims[rank - 2].str() + " x " + dims[rank - 1].str() + " are not square");
  std::optional<int64_t> size = dims[rank - 1].isConstant() ? dims[rank - 1].asConstant() : dims[rank - 2].asConstant();
  constexpr int64_t kLargest = 64, kLargestFree = 8; // every row is code of its own
  if (size && *size > kLargest)
    return node.unsupported("matrices of " + Twine(*size) + " rows; at most " + Twine(kLargest) + " are supported");
  Formula f(node);
  Dim count = nn::product(node.context, outer), one = node.dim(1);
  Dim rows = size ? node.dim(*size) : dims[rank - 1];
  node.require(dims[rank - 2], rows, "the rows of the matrices, which must be square");
  node.require(dims[rank - 1], rows, "the columns of the matrices, which must be square");
  Value rest = node.reshape(node.in(0), {count, rows, rows});
  if (!size) {
    rest = bordered(node, rest, rows, kLargestFree);
    size = kLargestFree;
  }
  Value product = f.expand(node.scalar(1, node.element(0)), {count, one, one});
  for (int64_t n = *size; n > 0 && !node.failed(); --n) {
    // The pivot's row changes places with the first one, which changes the sign.
    Value column = node.slice(rest, 2, node.dim(0), one);
    Value at = node.make<nn::ArgReduceOp>(node.make<nn::AbsOp>(column), node.i64(1), UnitAttr(), node.unit(true), UnitAttr());
    Value row = node.reshape(node.make<nn::GatherNDOp>(rest, node.reshape(at, {count, one}), node.i64(1)), {count, one, node.dim(n)});
    Value pivot = node.slice(row, 2, node.dim(0), one), isFirst = f.equal(at, f.number(0, at));
    product = f.mul(product, f.select(isFirst, pivot, node.make<nn::NegOp>(pivot)));
    if (n == 1)
      break;
    Value isPivot = f.equal(f.positions(node.dim(n), 1, 3), at);
    Value swapped = f.select(isPivot, node.slice(rest, 1, node.dim(0), one), rest);
    Value zero = node.scalar(0, node.element(0));
    // A column of zeros: the determinant is 0 whatever follows.
    Value safe = f.select(f.equal(pivot, zero), node.scalar(1, node.element(0)), pivot);
    Value below = node.slice(swapped, 1, one, node.dim(n - 1));
    Value factor = f.div(node.slice(below, 2, node.dim(0), one), safe);
    rest = f.sub(node.slice(below, 2, one, node.dim(n - 1)), f.mul(factor, node.slice(row, 2, one, node.dim(n - 1))));
  }
  node.result(node.reshape(product, outer));
}

void registerDeterminant(OperatorTable &table) {
  table.add("Det", 11, 1, 1, determinant);
}

} // namespace tenon::importer
