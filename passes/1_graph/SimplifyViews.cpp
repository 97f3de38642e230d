#include "passes/1_graph/Passes.h"
#include "passes/1_graph/views/Patterns.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

using namespace mlir;

namespace tenon::graph {
#define GEN_PASS_DEF_SIMPLIFYVIEWS
#include "passes/1_graph/Passes.h.inc"
namespace {

struct SimplifyViews : impl::SimplifyViewsBase<SimplifyViews> {
  void runOnOperation() override {
    RewritePatternSet patterns(&getContext());
    addViewCanonicalizations(patterns);
    addSlicePatterns(patterns);
    addConcatPatterns(patterns);
    addReshapePatterns(patterns);
    if (failed(applyPatternsGreedily(getOperation(), std::move(patterns))))
      signalPassFailure();
  }
};

} // namespace
} // namespace tenon::graph
