// GELU from erf or tanh, whatever the order of the factors.
#include "passes/1_graph/Match.h"
#include "passes/1_graph/recompose/Patterns.h"
#include <cmath>

using namespace mlir;

namespace tenon::graph {
namespace {

constexpr double kSqrtHalf = 0.70710678118654752;
constexpr double kSqrtTwoOverPi = 0.79788456080286536;
constexpr double kCubic = 0.044715;

/// Whether `value` is factor * x.
bool isMultiple(Value value, Value x, double factor) {
  Product product = productOf(value);
  return product.leaves.size() == 1 && product.leaves[0] == x && isClose(product.factor, factor, 1e-4);
}

/// Whether `value` is x^3 * factor: as mul chains or pow.
bool isCube(Value value, Value x, double factor) {
  Product product = productOf(value);
  if (!isClose(product.factor, factor, 1e-4))
    return false;
  int degree = 0;
  for (Value leaf : product.leaves) {
    auto pow = leaf.getDefiningOp<nn::PowOp>();
    auto square = leaf.getDefiningOp<nn::MulOp>();
    if (leaf == x)
      degree += 1;
    else if (pow && pow.getLhs() == x && (isSplat(pow.getRhs(), 2) || isSplat(pow.getRhs(), 3)))
      degree += int(*splatValue(pow.getRhs()));
    else if (square && square.getLhs() == x && square.getRhs() == x)
      degree += 2;
    else
      return false;
  }
  return degree == 3;
}

/// Whether `value` is sqrt(2/pi) * (x + 0.044715 x^3), or the same with x factored out.
bool isTanhArgument(Value value, Value x) {
  Product product = productOf(value);
  if (!isClose(product.factor, kSqrtTwoOverPi, 1e-4))
    return false;
  if (product.leaves.size() == 1) {
    auto add = product.leaves[0].getDefiningOp<nn::AddOp>();
    return add && ((add.getLhs() == x && isCube(add.getRhs(), x, kCubic)) || (add.getRhs() == x && isCube(add.getLhs(), x, kCubic)));
  }
  if (product.leaves.size() != 2)
    return false;
  Value inner = product.leaves[0] == x ? product.leaves[1] : product.leaves[0];
  if (product.leaves[0] != x && product.leaves[1] != x)
    return false;
  auto sum = plusScalar(inner); // 1 + 0.044715 x^2
  if (!sum || sum->second != 1.0)
    return false;
  Product square = productOf(sum->first);
  if (!isClose(square.factor, kCubic, 1e-4))
    return false;
  auto pow = square.leaves.size() == 1 ? square.leaves[0].getDefiningOp<nn::PowOp>() : nn::PowOp();
  return (pow && pow.getLhs() == x && isSplat(pow.getRhs(), 2)) ||
         (square.leaves.size() == 2 && square.leaves[0] == x && square.leaves[1] == x);
}

/// 0.5 * x * (1 + erf(x / sqrt 2)) and 0.5 * x * (1 + tanh(...)). Equal for finite x; at x = -inf the product gives NaN
/// and the layer its limit, 0.
template <typename Root> struct Gelu : OpRewritePattern<Root> {
  using OpRewritePattern<Root>::OpRewritePattern;
  LogicalResult matchAndRewrite(Root op, PatternRewriter &rewriter) const override {
    Product product = productOf(op);
    if (product.leaves.size() != 2 || !isFloat(op) || !isClose(product.factor, 0.5))
      return failure();
    for (auto [x, gate] : {std::pair(product.leaves[0], product.leaves[1]), std::pair(product.leaves[1], product.leaves[0])}) {
      auto sum = plusScalar(gate);
      if (!sum || sum->second != 1.0 || !sameShape(x, op))
        continue;
      auto erf = sum->first.getDefiningOp<nn::ErfOp>();
      auto tanh = sum->first.getDefiningOp<nn::TanhOp>();
      if ((erf && isMultiple(erf.getInput(), x, kSqrtHalf)) || (tanh && isTanhArgument(tanh.getInput(), x))) {
        rewriter.replaceOpWithNewOp<nn::GeluOp>(op, x, tanh != nullptr);
        return success();
      }
    }
    return failure();
  }
};

} // namespace

void addGeluPatterns(RewritePatternSet &patterns) {
  patterns.add<Gelu<nn::MulOp>, Gelu<nn::DivOp>>(patterns.getContext());
}

} // namespace tenon::graph
