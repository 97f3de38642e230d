#include "passes/1_graph/Passes.h"
#include "passes/1_graph/views/Patterns.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

using namespace mlir;

namespace tenon::graph {
#define GEN_PASS_DEF_HOISTTRANSPOSES
#include "passes/1_graph/Passes.h.inc"
namespace {

struct HoistTransposes : impl::HoistTransposesBase<HoistTransposes> {
  void runOnOperation() override {
    RewritePatternSet patterns(&getContext());
    addViewCanonicalizations(patterns);
    addTransposeHoistingPatterns(patterns);
    addUnitSplittingPatterns(patterns);
    if (failed(applyPatternsGreedily(getOperation(), std::move(patterns))))
      signalPassFailure();
  }
};

} // namespace
} // namespace tenon::graph
