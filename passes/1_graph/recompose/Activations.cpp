// x * sigmoid(x) and its relatives.
#include "passes/1_graph/Match.h"
#include "passes/1_graph/recompose/Patterns.h"

using namespace mlir;

namespace tenon::graph {
namespace {

/// clip(x + 3, 0, 6), or hard_sigmoid with slope 1/6 scaled by 6: six times the gate of hard_swish.
std::optional<double> hardGate(Value gate, Value x) {
  if (auto sigmoid = gate.getDefiningOp<nn::HardSigmoidOp>())
    if (sigmoid.getInput() == x && isClose(sigmoid.getAlpha().convertToDouble(), 1.0 / 6, 1e-4) &&
        isClose(sigmoid.getBeta().convertToDouble(), 0.5))
      return 1.0;
  auto clip = gate.getDefiningOp<nn::ClipOp>();
  if (!clip || !clip.getLow() || !clip.getHigh() || clip.getLow()->convertToDouble() != 0.0 || clip.getHigh()->convertToDouble() != 6.0)
    return std::nullopt;
  auto sum = plusScalar(clip.getInput());
  if (!sum || sum->first != x || sum->second != 3.0)
    return std::nullopt;
  return 6.0;
}

/// Whether gate is tanh(softplus(x)).
bool isMishGate(Value gate, Value x) {
  auto tanh = gate.getDefiningOp<nn::TanhOp>();
  auto softplus = tanh ? tanh.getInput().getDefiningOp<nn::SoftplusOp>() : nn::SoftplusOp();
  return softplus && softplus.getInput() == x;
}

bool isSigmoidOf(Value gate, Value x) {
  auto sigmoid = gate.getDefiningOp<nn::SigmoidOp>();
  return sigmoid && sigmoid.getInput() == x;
}

/// x * gate(x), the factors in any order and spread over several mul and div ops. Equal for finite x; at x = -inf the
/// product gives NaN (inf * 0) and the layer its limit, 0.
template <typename Root> struct GatedActivation : OpRewritePattern<Root> {
  using OpRewritePattern<Root>::OpRewritePattern;
  LogicalResult matchAndRewrite(Root op, PatternRewriter &rewriter) const override {
    Product product = productOf(op);
    if (product.leaves.size() != 2 || !isFloat(op))
      return failure();
    for (auto [x, gate] : {std::pair(product.leaves[0], product.leaves[1]), std::pair(product.leaves[1], product.leaves[0])}) {
      if (!sameShape(x, op))
        continue;
      if (auto scale = hardGate(gate, x); scale && isClose(product.factor * *scale, 1.0))
        return rewriter.replaceOpWithNewOp<nn::HardSwishOp>(op, x), success();
      if (product.factor != 1.0)
        continue;
      if (isSigmoidOf(gate, x))
        return rewriter.replaceOpWithNewOp<nn::SiluOp>(op, x), success();
      if (isMishGate(gate, x))
        return rewriter.replaceOpWithNewOp<nn::MishOp>(op, x), success();
    }
    return failure();
  }
};

/// max(x, -inf) -> x;  max(x, 0) -> relu;  min(relu(x), c) with c >= 0 -> clip(x, 0, c). NaN stays NaN in all of them.
struct MaxToRelu : OpRewritePattern<nn::MaxOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(nn::MaxOp op, PatternRewriter &rewriter) const override {
    for (auto [x, bound] : {std::pair(op.getLhs(), op.getRhs()), std::pair(op.getRhs(), op.getLhs())}) {
      std::optional<double> number = splatValue(bound);
      if (!number || !isFloat(op) || !sameShape(x, op))
        continue;
      if (*number == 0.0)
        return rewriter.replaceOpWithNewOp<nn::ReluOp>(op, x), success();
      if (*number == -std::numeric_limits<double>::infinity())
        return rewriter.replaceOp(op, x), success();
    }
    return failure();
  }
};
struct MinToClip : OpRewritePattern<nn::MinOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(nn::MinOp op, PatternRewriter &rewriter) const override {
    for (auto [x, bound] : {std::pair(op.getLhs(), op.getRhs()), std::pair(op.getRhs(), op.getLhs())}) {
      std::optional<double> number = splatValue(bound);
      auto relu = x.getDefiningOp<nn::ReluOp>();
      if (!number || !relu || !isFloat(op) || !(*number >= 0) || !sameShape(x, op))
        continue;
      rewriter.replaceOpWithNewOp<nn::ClipOp>(op, relu.getInput(), rewriter.getF64FloatAttr(0.0), rewriter.getF64FloatAttr(*number));
      return success();
    }
    return failure();
  }
};

} // namespace

void addActivationPatterns(RewritePatternSet &patterns) {
  patterns.add<GatedActivation<nn::MulOp>, GatedActivation<nn::DivOp>, MaxToRelu, MinToClip>(patterns.getContext());
}

} // namespace tenon::graph
