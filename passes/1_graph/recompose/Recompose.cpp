#include "passes/1_graph/Passes.h"
#include "passes/1_graph/recompose/Patterns.h"
#include "dialects/nn/NN.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

using namespace mlir;

namespace tenon::graph {
#define GEN_PASS_DEF_RECOMPOSE
#include "passes/1_graph/Passes.h.inc"
namespace {

struct Recompose : impl::RecomposeBase<Recompose> {
  void runOnOperation() override {
    RewritePatternSet patterns(&getContext());
    addActivationPatterns(patterns);
    addGeluPatterns(patterns);
    addReductionPatterns(patterns);
    addSoftmaxPatterns(patterns);
    addNormalizationPatterns(patterns);
    addAttentionPatterns(patterns);
    addPixelShufflePatterns(patterns);
    addLookupPatterns(patterns);
    int64_t attentionsBefore = count<nn::AttentionOp>(), normsBefore = count<nn::LayerNormOp, nn::RMSNormOp>();
    int64_t activationsBefore = count<nn::SiluOp, nn::HardSwishOp, nn::GeluOp, nn::MishOp>();
    if (failed(applyPatternsGreedily(getOperation(), std::move(patterns))))
      return signalPassFailure();
    attentions += count<nn::AttentionOp>() - attentionsBefore;
    norms += count<nn::LayerNormOp, nn::RMSNormOp>() - normsBefore;
    activations += count<nn::SiluOp, nn::HardSwishOp, nn::GeluOp, nn::MishOp>() - activationsBefore;
  }

  template <typename... Ops> int64_t count() {
    int64_t n = 0;
    getOperation().walk([&](Operation *op) { n += isa<Ops...>(op); });
    return n;
  }
};

} // namespace
} // namespace tenon::graph
