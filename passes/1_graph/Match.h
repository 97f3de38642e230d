// Small questions that the graph passes ask about values, and the ops they build again and again.
#pragma once
#include "dialects/nn/NN.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/PatternMatch.h"

namespace tenon::graph {

/// An nn.constant whose contents are known at compile time: dense or a blob, not expressions of the input shapes.
bool isConstant(mlir::Value value);
/// A constant, or nn ops on constants alone: what nn-fold-constants will evaluate.
bool isConstantExpression(mlir::Value value);
/// The number that every element of a dense constant is.
std::optional<double> splatValue(mlir::Value value);
/// Whether `value` is a splat that equals `number` as closely as its element type can tell.
bool isSplat(mlir::Value value, double number);
/// The elements of a constant of i32.
std::optional<llvm::SmallVector<int32_t>> integersOf(mlir::Value value);
/// The raw elements of an f32 constant, which need not be aligned; none where they are not known or all the same.
std::optional<llvm::ArrayRef<char>> rawFloats(mlir::ElementsAttr constant);
bool isFloat(mlir::Value value);
int64_t rankOf(mlir::Value value);
mlir::Type elementOf(mlir::Value value);
bool sameShape(mlir::Value a, mlir::Value b);

/// A product that may be spread over several mul and div ops: factor * leaves[0] * leaves[1] * ...
struct Product {
  double factor = 1.0;
  llvm::SmallVector<mlir::Value> leaves;
};
/// Takes `value` apart through mul and div-by-scalar ops. Below the root only through values with one use: what is
/// used elsewhere is computed anyway, so it stays a leaf.
Product productOf(mlir::Value value);
/// x + number, whichever side the number is on; none where `value` is something else.
std::optional<std::pair<mlir::Value, double>> plusScalar(mlir::Value value);
bool isClose(double a, double b, double relative = 1e-5);

/// `value`'s only dimension that is not 1, aligned at the last axis of a result of rank `rank`; rank itself for a scalar;
/// none if several dimensions are not 1.
std::optional<int64_t> singleAxis(mlir::Value value, int64_t rank);

mlir::Value scalarConstant(mlir::OpBuilder &builder, mlir::Location loc, mlir::Type element, double number);
mlir::Value reshapeTo(mlir::OpBuilder &builder, mlir::Location loc, mlir::Value value, llvm::ArrayRef<nn::Dim> dims);
mlir::Value reshapeTo(mlir::OpBuilder &builder, mlir::Location loc, mlir::Value value, llvm::ArrayRef<int64_t> dims);
mlir::Value transposeBy(mlir::OpBuilder &builder, mlir::Location loc, mlir::Value value, llvm::ArrayRef<int64_t> perm);
mlir::Value expandTo(mlir::OpBuilder &builder, mlir::Location loc, mlir::Value value, llvm::ArrayRef<int64_t> dims);

/// Gives each convolution and product inside `root` that `isWanted` to `rewrite`, as what it is; what that makes is not visited.
template <typename Rewrite> void rewriteProducts(mlir::Operation *root, llvm::function_ref<bool(mlir::Operation *)> isWanted, Rewrite rewrite) {
  llvm::SmallVector<mlir::Operation *> found;
  root->walk([&](mlir::Operation *op) {
    if (mlir::isa<nn::ConvOp, nn::MatMulOp>(op) && isWanted(op))
      found.push_back(op);
  });
  for (mlir::Operation *op : found)
    if (auto conv = mlir::dyn_cast<nn::ConvOp>(op))
      rewrite(conv);
    else
      rewrite(mlir::cast<nn::MatMulOp>(op));
}

llvm::SmallVector<int64_t> inverse(llvm::ArrayRef<int64_t> perm);
bool isIdentity(llvm::ArrayRef<int64_t> perm);
template <typename T> llvm::SmallVector<T> permuted(llvm::ArrayRef<T> list, llvm::ArrayRef<int64_t> perm) {
  return llvm::map_to_vector(perm, [&](int64_t axis) { return list[axis]; });
}

/// One step of a reshape: input axes [inputBegin, inputEnd) hold the same elements as output axes [outputBegin, outputEnd).
struct AxisGroup {
  int64_t inputBegin, inputEnd, outputBegin, outputEnd;
};
/// The finest split of a reshape into independent groups; none where the sizes cannot be proved equal.
std::optional<llvm::SmallVector<AxisGroup>> axisGroups(llvm::ArrayRef<nn::Dim> input, llvm::ArrayRef<nn::Dim> output);

} // namespace tenon::graph
