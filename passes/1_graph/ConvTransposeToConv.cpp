#include "passes/1_graph/Match.h"
#include "passes/1_graph/Passes.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

using namespace mlir;

namespace tenon::graph {
#define GEN_PASS_DEF_CONVTRANSPOSETOCONV
#include "passes/1_graph/Passes.h.inc"
namespace {

bool all(ArrayRef<int64_t> values, int64_t wanted) {
  return llvm::all_of(values, [&](int64_t value) { return value == wanted; });
}

/// Every input pixel writes one block of its own: a 1x1 convolution to block * block * K channels in the order (by, bx, k),
/// which depth_to_space lays out.
struct DisjointBlocks : OpRewritePattern<nn::ConvTransposeOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(nn::ConvTransposeOp op, PatternRewriter &rewriter) const override {
    auto weight = cast<RankedTensorType>(op.getWeight().getType());
    if (weight.getRank() != 4 || !weight.hasStaticShape() || !isConstantExpression(op.getWeight()) ||
        (op.getBias() && !isConstantExpression(op.getBias())) || op.getGroups() != 1 || op.getLayout() != nn::Layout::ChannelsFirst)
      return failure();
    int64_t channels = weight.getDimSize(0), outputs = weight.getDimSize(1), block = weight.getDimSize(2);
    if (weight.getDimSize(3) != block || block < 2 || !all(op.getStrides(), block) || !all(op.getPads(), 0) ||
        !all(op.getDilations(), 1) || !all(op.getOutputPadding(), 0))
      return failure();
    Location loc = op.getLoc();
    Value filters = transposeBy(rewriter, loc, op.getWeight(), {2, 3, 1, 0});
    filters = reshapeTo(rewriter, loc, filters, ArrayRef<int64_t>{block * block * outputs, channels, 1, 1});
    Value bias;
    if (op.getBias()) {
      Value row = reshapeTo(rewriter, loc, op.getBias(), ArrayRef<int64_t>{1, outputs});
      bias = reshapeTo(rewriter, loc, expandTo(rewriter, loc, row, {block * block, outputs}), ArrayRef<int64_t>{block * block * outputs});
    }
    Value conv = nn::ConvOp::create(rewriter, loc, op.getInput(), filters, bias, ArrayRef<int64_t>{1, 1}, ArrayRef<int64_t>{0, 0, 0, 0},
                                    ArrayRef<int64_t>{1, 1});
    rewriter.replaceOpWithNewOp<nn::DepthToSpaceOp>(op, conv, block, false);
    return success();
  }
};

struct ConvTransposeToConv : impl::ConvTransposeToConvBase<ConvTransposeToConv> {
  void runOnOperation() override {
    RewritePatternSet patterns(&getContext());
    patterns.add<DisjointBlocks>(&getContext());
    if (failed(applyPatternsGreedily(getOperation(), std::move(patterns))))
      signalPassFailure();
  }
};

} // namespace
} // namespace tenon::graph
