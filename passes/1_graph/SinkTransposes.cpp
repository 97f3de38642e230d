#include "passes/1_graph/Passes.h"
#include "passes/1_graph/views/Patterns.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

using namespace mlir;

namespace tenon::graph {
#define GEN_PASS_DEF_SINKTRANSPOSES
#include "passes/1_graph/Passes.h.inc"
namespace {

struct SinkTransposes : impl::SinkTransposesBase<SinkTransposes> {
  void runOnOperation() override {
    int64_t before = count();
    RewritePatternSet patterns(&getContext());
    addViewCanonicalizations(patterns);
    addSlicePatterns(patterns);
    addConcatPatterns(patterns);
    addReshapePatterns(patterns);
    addTransposeSinkingPatterns(patterns);
    addTransposeIntoOpsPatterns(patterns);
    if (failed(applyPatternsGreedily(getOperation(), std::move(patterns))))
      return signalPassFailure();
    removed += std::max<int64_t>(0, before - count());
  }

  int64_t count() {
    int64_t n = 0;
    getOperation().walk([&](nn::TransposeOp) { ++n; });
    return n;
  }
};

} // namespace
} // namespace tenon::graph
