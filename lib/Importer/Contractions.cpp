// Matrix products.
#include "lib/Importer/Contractions.h"
#include "lib/Importer/Operators.h"
#include "lib/Importer/Quantization.h"

namespace tenon::importer {
using namespace mlir;
using nn::Dim;

static bool haveOneType(Node &node) {
  for (size_t i = 1; i < node.inputCount(); ++i)
    if (node.in(i) && node.element(i) != node.element(0))
      node.invalid("the operands must have elements of one type");
  return !node.failed();
}

/// Gives axis `axis` of a value the size `size`, which the run checks.
static Value withSize(Node &node, Value value, int64_t axis, Dim size) {
  SmallVector<Dim> dims = nn::dimsOf(value.getType());
  node.require(dims[axis], size, "the columns of the left matrix, and the rows of the right one");
  dims[axis] = size;
  return node.reshape(value, dims);
}

static Value product(Node &node, Value lhs, Value rhs, Value bias, bool transposeLhs = false, bool transposeRhs = false) {
  if (node.failed())
    return {};
  // Sizes that are the same number in a correct run are one expression from here on, a constant where one of them is.
  SmallVector<Dim> left = nn::dimsOf(lhs.getType()), right = nn::dimsOf(rhs.getType());
  int64_t column = int64_t(left.size()) - (transposeLhs ? 2 : 1), row = int64_t(right.size()) - (transposeRhs ? 1 : 2);
  if (column >= 0 && row >= 0 && left[column] != right[row]) {
    if (right[row].isConstant() && !left[column].isConstant())
      lhs = withSize(node, lhs, column, right[row]);
    else if (!right[row].isConstant())
      rhs = withSize(node, rhs, row, left[column]);
  }
  return node.make<nn::MatMulOp>(lhs, rhs, bias, node.unit(transposeLhs), node.unit(transposeRhs));
}

Value matrixProduct(Node &node, Value lhs, Value rhs) {
  if (node.failed())
    return {};
  SmallVector<Dim> left = nn::dimsOf(lhs.getType()), right = nn::dimsOf(rhs.getType());
  if (left.empty() || right.empty()) {
    node.invalid("a scalar is not a matrix");
    return {};
  }
  bool row = left.size() == 1, column = right.size() == 1;
  if (row)
    lhs = node.reshape(lhs, {node.dim(1), left[0]});
  if (column)
    rhs = node.reshape(rhs, {right[0], node.dim(1)});
  Value out = product(node, lhs, rhs, Value());
  if (node.failed())
    return {};
  SmallVector<Dim> dims = nn::dimsOf(out.getType());
  if (column)
    dims.pop_back();
  if (row)
    dims.erase(dims.end() - (column ? 1 : 2));
  return row || column ? node.reshape(out, dims) : out;
}

static void matmul(Node &node) {
  if (!haveOneType(node))
    return;
  std::optional<QuantizedOperands> bytes = node.rank(0) > 1 && node.rank(1) == 2 ? QuantizedOperands::of(node, 1) : std::nullopt;
  node.result(bytes ? bytes->scaled(node, matrixProduct(node, bytes->left(node), bytes->right(node)), Value(), 0)
                    : matrixProduct(node, node.in(0), node.in(1)));
}

static Value scaled(Node &node, Value value, double factor) {
  if (factor == 1.0 || node.failed())
    return value;
  return node.make<nn::MulOp>(value, node.scalar(factor, getElementTypeOrSelf(value.getType())));
}

/// The vector [N] that a matmul adds to its rows; null where `addend` is of another shape.
static Value asBias(Node &node, Value addend, Dim columns) {
  SmallVector<Dim> dims = nn::dimsOf(addend.getType());
  if (dims.empty() || dims.back() != columns || llvm::any_of(ArrayRef(dims).drop_back(), [](Dim dim) { return !dim.isConstant(1); }))
    return {};
  return dims.size() == 1 ? addend : node.reshape(addend, {columns});
}

/// `value` as it broadcasts to `dims`, which free sizes do where they are 1 or the same: the run checks them.
static Value broadcastTo(Node &node, Value value, ArrayRef<Dim> dims) {
  SmallVector<Dim> own = nn::dimsOf(value.getType());
  bool isFree = own.size() <= dims.size();
  for (size_t i = 0; isFree && i < own.size(); ++i) {
    Dim from = own[i], to = dims[dims.size() - own.size() + i];
    isFree = from == to || from.isConstant(1) || !(from.isConstant() && to.isConstant());
    if (isFree && !from.isConstant(1))
      node.require((from - 1) * (to - from), node.dim(0), "C does not broadcast to the product");
  }
  return isFree && llvm::any_of(own, [](Dim dim) { return !dim.isConstant(); }) ? node.make<nn::ExpandOp>(value, node.dimsAttr(dims)) : value;
}

/// alpha * op(A) op(B) + beta * C. Alpha goes to B, which mostly is a constant and then folds.
static void gemm(Node &node) {
  if (!haveOneType(node))
    return;
  if (node.rank(0) != 2 || node.rank(1) != 2)
    return node.invalid("matrices were expected, not tensors of rank " + Twine(node.rank(0)) + " and " + Twine(node.rank(1)));
  bool transposeA = node.integer("transA", 0) != 0, transposeB = node.integer("transB", 0) != 0;
  double beta = node.real("beta", 1.0);
  bool isPlain = node.real("alpha", 1.0) == 1.0 && beta == 1.0 && (!node.in(2) || node.rank(2) == 1);
  if (std::optional<QuantizedOperands> bytes = isPlain ? QuantizedOperands::of(node, transposeB ? 0 : 1) : std::nullopt)
    return node.result(bytes->scaled(node, product(node, bytes->left(node), bytes->right(node), Value(), transposeA, transposeB), node.in(2), 0));
  Value rhs = scaled(node, node.in(1), node.real("alpha", 1.0));
  Value addend = node.in(2) && beta != 0.0 ? scaled(node, node.in(2), beta) : Value();
  if (node.failed())
    return;
  Value bias = addend ? asBias(node, addend, node.dims(1)[transposeB ? 0 : 1]) : Value();
  Value out = product(node, node.in(0), rhs, bias, transposeA, transposeB);
  if (node.failed())
    return;
  RankedTensorType type = cast<RankedTensorType>(out.getType());
  if (addend && !bias)
    addend = broadcastTo(node, addend, nn::dimsOf(type));
  if (addend && !bias)
    out = node.make<nn::AddOp>(out, addend);
  if (!node.failed() && out.getType() != type)
    return node.invalid("C does not broadcast to the product");
  node.result(out);
}

/// [rows, batch..., columns] to [batch..., rows, columns] where the attribute says so.
static Value batchFirst(Node &node, Value value, StringRef attribute) {
  int64_t rank = cast<RankedTensorType>(value.getType()).getRank();
  if (!node.integer(attribute, 0) || rank < 3)
    return value;
  SmallVector<int64_t> order = llvm::to_vector(llvm::seq<int64_t>(1, rank - 1));
  order.append({0, rank - 1});
  return node.transpose(value, order);
}

static void fusedMatMul(Node &node) {
  if (!haveOneType(node))
    return;
  if (node.rank(0) < 2 || node.rank(1) < 2)
    return node.unsupported("vector operands");
  Value lhs = batchFirst(node, node.in(0), "transBatchA"), rhs = scaled(node, batchFirst(node, node.in(1), "transBatchB"), node.real("alpha", 1.0));
  node.result(product(node, lhs, rhs, Value(), node.integer("transA", 0) != 0, node.integer("transB", 0) != 0));
}

void registerConvolutions(OperatorTable &table);
void registerDeformConv(OperatorTable &table);
void registerEinsum(OperatorTable &table);

void registerContractions(OperatorTable &table) {
  registerConvolutions(table);
  registerDeformConv(table);
  registerEinsum(table);
  table.add("MatMul", 1, 2, 2, matmul);
  table.add("Gemm", 1, 2, 3, gemm);
  table.addMicrosoft("FusedMatMul", 2, 2, fusedMatMul);
}

} // namespace tenon::importer
