#include "passes/1_graph/Match.h"
#include "passes/1_graph/Passes.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

using namespace mlir;

namespace tenon::graph {
#define GEN_PASS_DEF_FOLDPADS
#include "passes/1_graph/Passes.h.inc"
namespace {

bool isChannelsLast(Operation *op) {
  auto layout = op->getAttrOfType<nn::LayoutAttr>("layout");
  return layout && layout.getValue() == nn::Layout::ChannelsLast;
}

/// What a constant pad adds to the spatial axes (low amounts, then high), if it adds nothing else.
std::optional<SmallVector<int64_t>> spatialPads(nn::PadOp pad, bool channelsLast) {
  if (pad.getMode() != nn::PadMode::Constant)
    return std::nullopt;
  int64_t rank = rankOf(pad), channels = channelsLast ? rank - 1 : 1;
  SmallVector<int64_t> amounts;
  for (nn::DimsAttr side : {pad.getLow(), pad.getHigh()})
    for (auto [axis, dim] : llvm::enumerate(side.dims())) {
      auto amount = dim.asConstant();
      if (!amount || *amount < 0)
        return std::nullopt;
      if (axis != 0 && int64_t(axis) != channels)
        amounts.push_back(*amount);
      else if (*amount != 0)
        return std::nullopt;
    }
  return amounts;
}

std::optional<double> padValue(nn::PadOp pad) { return pad.getValue() ? splatValue(pad.getValue()) : std::optional(0.0); }

SmallVector<int64_t> sum(ArrayRef<int64_t> a, ArrayRef<int64_t> b) {
  return llvm::map_to_vector(llvm::zip(a, b), [](auto pair) { return std::get<0>(pair) + std::get<1>(pair); });
}

/// conv(pad(x, 0)) -> conv with larger pads.
struct PadIntoConv : OpRewritePattern<nn::ConvOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(nn::ConvOp op, PatternRewriter &rewriter) const override {
    auto pad = op.getInput().getDefiningOp<nn::PadOp>();
    auto amounts = pad ? spatialPads(pad, isChannelsLast(op)) : std::nullopt;
    if (!amounts || padValue(pad) != 0.0)
      return failure();
    rewriter.modifyOpInPlace(op, [&] {
      op.getInputMutable().assign(pad.getInput());
      op.setPads(sum(op.getPads(), *amounts));
    });
    return success();
  }
};

/// Whether no element of `value` is below zero.
bool isNonNegative(Value value) {
  Operation *op = value.getDefiningOp();
  if (auto clip = dyn_cast_or_null<nn::ClipOp>(op))
    return clip.getLow() && clip.getLow()->convertToDouble() >= 0;
  if (isa_and_nonnull<nn::TransposeOp, nn::ReshapeOp>(op))
    return isNonNegative(op->getOperand(0));
  return isa_and_nonnull<nn::ReluOp, nn::SigmoidOp, nn::HardSigmoidOp, nn::AbsOp>(op);
}

/// pool(pad(x)) -> pool with larger pads: a mean that counts them when zeros were added, a maximum when what was added is
/// below everything that a window holds. A window never lies in the padding alone (pads are smaller than windows).
struct PadIntoPool : OpRewritePattern<nn::PoolOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(nn::PoolOp op, PatternRewriter &rewriter) const override {
    auto pad = op.getInput().getDefiningOp<nn::PadOp>();
    auto amounts = pad ? spatialPads(pad, isChannelsLast(op)) : std::nullopt;
    auto value = pad ? padValue(pad) : std::nullopt;
    if (!amounts || !value || op.getCeilMode())
      return failure();
    SmallVector<int64_t> pads = sum(op.getPads(), *amounts);
    size_t spatial = op.getWindow().size();
    for (size_t i = 0; i < pads.size(); ++i)
      if (pads[i] >= (op.getWindow()[i % spatial] - 1) * op.getDilations()[i % spatial] + 1)
        return failure();
    bool hadPads = llvm::any_of(op.getPads(), [](int64_t p) { return p != 0; });
    bool isMean = op.getKind() == nn::PoolKind::Average && *value == 0.0 && (!hadPads || op.getCountIncludePad());
    bool isMax = op.getKind() == nn::PoolKind::Max && ((*value == 0.0 && isNonNegative(pad.getInput())) || *value <= -3.0e38);
    if (!isMean && !isMax)
      return failure();
    rewriter.modifyOpInPlace(op, [&] {
      op.getInputMutable().assign(pad.getInput());
      op.setPads(pads);
      if (isMean)
        op.setCountIncludePad(true);
    });
    return success();
  }
};

struct FoldPads : impl::FoldPadsBase<FoldPads> {
  void runOnOperation() override {
    auto count = [&] {
      int64_t n = 0;
      getOperation().walk([&](nn::PadOp) { ++n; });
      return n;
    };
    int64_t before = count();
    RewritePatternSet patterns(&getContext());
    patterns.add<PadIntoConv, PadIntoPool>(&getContext());
    if (failed(applyPatternsGreedily(getOperation(), std::move(patterns))))
      return signalPassFailure();
    folded += before - count();
  }
};

} // namespace
} // namespace tenon::graph
