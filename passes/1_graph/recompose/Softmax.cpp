// Softmax from its definition.
#include "passes/1_graph/Match.h"
#include "passes/1_graph/recompose/Patterns.h"

using namespace mlir;

namespace tenon::graph {
namespace {

/// e / sum(e) with e = exp(x - max(x)) along one axis -> softmax(x). Without the maximum it is left alone: there
/// large x overflow to NaN, which softmax would hide.
struct SoftmaxFromParts : OpRewritePattern<nn::DivOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(nn::DivOp op, PatternRewriter &rewriter) const override {
    auto exp = op.getLhs().getDefiningOp<nn::ExpOp>();
    auto sum = op.getRhs().getDefiningOp<nn::ReduceOp>();
    auto sub = exp ? exp.getInput().getDefiningOp<nn::SubOp>() : nn::SubOp();
    auto max = sub ? sub.getRhs().getDefiningOp<nn::ReduceOp>() : nn::ReduceOp();
    if (!sum || !max || sum.getInput() != exp || max.getInput() != sub.getLhs() || sum.getKind() != nn::ReduceKind::Sum ||
        max.getKind() != nn::ReduceKind::Max || !sum.getKeepDims() || !max.getKeepDims() || sum.getAxes().size() != 1 ||
        sum.getAxes() != max.getAxes() || !sameShape(op, sub.getLhs()))
      return failure();
    rewriter.replaceOpWithNewOp<nn::SoftmaxOp>(op, sub.getLhs(), sum.getAxes()[0], false);
    return success();
  }
};

/// A softmax over the last axis of a matrix that opset < 13 flattened from a tensor whose last axis it is: the reshapes go.
struct SoftmaxWithoutFlattening : OpRewritePattern<nn::SoftmaxOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(nn::SoftmaxOp op, PatternRewriter &rewriter) const override {
    auto reshape = op.getInput().getDefiningOp<nn::ReshapeOp>();
    if (!reshape || int64_t(op.getAxis()) != rankOf(op) - 1 || !op->hasOneUse())
      return failure();
    auto back = dyn_cast<nn::ReshapeOp>(*op->user_begin());
    Value x = reshape.getInput();
    int64_t rank = rankOf(x);
    if (!back || !sameShape(back, x) || rank == 0 || nn::dimOf(x.getType(), rank - 1) != nn::dimOf(op.getType(), rankOf(op) - 1))
      return failure();
    rewriter.replaceOp(back, nn::SoftmaxOp::create(rewriter, op.getLoc(), x, rank - 1, op.getLogarithm()).getResult());
    return success();
  }
};

} // namespace

void addSoftmaxPatterns(RewritePatternSet &patterns) {
  patterns.add<SoftmaxFromParts, SoftmaxWithoutFlattening>(patterns.getContext());
}

} // namespace tenon::graph
