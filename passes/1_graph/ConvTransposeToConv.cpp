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

/// A transposed convolution writes s x s blocks of outputs, each from the same few neighbouring pixels: with T = ceil(R / s) taps an
/// axis, output s*q + f is the sum over t of in[q - t] * w[s*t + f]. That is a convolution to s*s*K channels in the order (fy, fx, k),
/// which depth_to_space lays out; the pads of the transposed convolution are cropped from it. (Shi et al., "Is the deconvolution
/// layer the same as a convolutional layer?", 2016.) With s = 1 it is a convolution as it is, and pads only make its own smaller.
struct SubPixels : OpRewritePattern<nn::ConvTransposeOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(nn::ConvTransposeOp op, PatternRewriter &rewriter) const override {
    auto weight = cast<RankedTensorType>(op.getWeight().getType());
    if (weight.getRank() != 4 || !weight.hasStaticShape() || !isConstantExpression(op.getWeight()) ||
        (op.getBias() && !isConstantExpression(op.getBias())) || op.getGroups() != 1 || op.getLayout() != nn::Layout::ChannelsFirst)
      return failure();
    int64_t channels = weight.getDimSize(0), outputs = weight.getDimSize(1), block = op.getStrides()[0];
    if (block < 1 || !all(op.getStrides(), block) || !all(op.getDilations(), 1))
      return failure();
    int64_t taps[2];
    for (int axis = 0; axis < 2; ++axis) {
      taps[axis] = llvm::divideCeil(weight.getDimSize(2 + axis), block);
      // Outputs that no tap reaches would lie beyond the last block.
      if (weight.getDimSize(2 + axis) + op.getOutputPadding()[axis] - op.getPads()[2 + axis] > block * taps[axis])
        return failure();
      if (block == 1 && (op.getPads()[axis] >= taps[axis] || op.getPads()[2 + axis] >= taps[axis]))
        return failure();
    }

    Location loc = op.getLoc();
    MLIRContext *context = op.getContext();
    Value filters = filtersOf(rewriter, op, block, taps);
    filters = reshapeTo(rewriter, loc, filters, ArrayRef<int64_t>{block * block * outputs, channels, taps[0], taps[1]});
    Value bias;
    if (op.getBias()) {
      Value row = reshapeTo(rewriter, loc, op.getBias(), ArrayRef<int64_t>{1, outputs});
      bias = reshapeTo(rewriter, loc, expandTo(rewriter, loc, row, {block * block, outputs}), ArrayRef<int64_t>{block * block * outputs});
    }
    int64_t high = taps[0] - 1, wide = taps[1] - 1;
    if (block == 1) {
      SmallVector<int64_t> pads{high - op.getPads()[0], wide - op.getPads()[1], high - op.getPads()[2] + op.getOutputPadding()[0],
                                wide - op.getPads()[3] + op.getOutputPadding()[1]};
      rewriter.replaceOp(op, nn::ConvOp::create(rewriter, loc, op.getInput(), filters, bias, ArrayRef<int64_t>{1, 1}, pads, ArrayRef<int64_t>{1, 1}));
      return success();
    }
    Value conv = nn::ConvOp::create(rewriter, loc, op.getInput(), filters, bias, ArrayRef<int64_t>{1, 1}, ArrayRef<int64_t>{high, wide, high, wide},
                                    ArrayRef<int64_t>{1, 1});
    Value blocks = nn::DepthToSpaceOp::create(rewriter, loc, conv, block, false);
    rewriter.replaceOp(op, rewriter.createOrFold<nn::SliceOp>(loc, blocks, nn::dimsAttr(context, ArrayRef<int64_t>{0, 0, op.getPads()[0], op.getPads()[1]}),
                                                              nn::dimsAttr(context, nn::dimsOf(op.getResult().getType())), ArrayRef<int64_t>{1, 1, 1, 1}));
    return success();
  }

private:
  /// [C, K, R, R] to [fy, fx, K, C, Ty, Tx], taps in reverse: a convolution reads forwards.
  static Value filtersOf(PatternRewriter &rewriter, nn::ConvTransposeOp op, int64_t block, const int64_t (&taps)[2]) {
    Location loc = op.getLoc();
    MLIRContext *context = op.getContext();
    auto shape = cast<RankedTensorType>(op.getWeight().getType()).getShape();
    Value filters = op.getWeight();
    SmallVector<int64_t> missing = {0, 0, block * taps[0] - shape[2], block * taps[1] - shape[3]};
    if (!all(missing, 0))
      filters = nn::PadOp::create(rewriter, loc, filters, Value(), nn::dimsAttr(context, ArrayRef<int64_t>{0, 0, 0, 0}), nn::dimsAttr(context, missing),
                                  nn::PadMode::Constant);
    filters = reshapeTo(rewriter, loc, filters, ArrayRef<int64_t>{shape[0], shape[1], taps[0], block, taps[1], block});
    if (taps[0] > 1 || taps[1] > 1)
      filters = nn::SliceOp::create(rewriter, loc, filters, nn::dimsAttr(context, ArrayRef<int64_t>{0, 0, taps[0] - 1, 0, taps[1] - 1, 0}),
                                    nn::dimsAttr(context, nn::dimsOf(filters.getType())), ArrayRef<int64_t>{1, 1, -1, 1, -1, 1});
    return transposeBy(rewriter, loc, filters, {3, 5, 1, 0, 2, 4});
  }
};

struct ConvTransposeToConv : impl::ConvTransposeToConvBase<ConvTransposeToConv> {
  void runOnOperation() override {
    RewritePatternSet patterns(&getContext());
    patterns.add<SubPixels>(&getContext());
    if (failed(applyPatternsGreedily(getOperation(), std::move(patterns))))
      signalPassFailure();
  }
};

} // namespace
} // namespace tenon::graph
