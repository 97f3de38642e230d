#include "passes/3_fuse/Passes.h"
#include "mlir/Transforms/Passes.h"

using namespace mlir;

namespace tenon::fuse {

void buildFusePipeline(OpPassManager &manager, const FuseOptions &options) {
  constexpr int kFirstWithGates = 90, kFirstWithout = 120; // GPUs whose blocks have shared memory for the weights
  bool gates = options.target && options.target->isGpu() && options.target->computeCapability >= kFirstWithGates &&
               options.target->computeCapability < kFirstWithout;
  constexpr int kFirstWithStems = 80;
  bool images = options.target && options.target->isGpu() && options.target->computeCapability >= kFirstWithStems;
  manager.addNestedPass<func::FuncOp>(createFormGroups({gates, images, options.target && options.target->isGpu()}));
  manager.addPass(createOutline());
  if (options.target && !options.target->isGpu())
    manager.addPass(createChainDepthwise(*options.target));
  // The same view may have been copied into a kernel twice.
  manager.addNestedPass<kernel::FuncOp>(createCSEPass());
  manager.addPass(createDeduplicate({options.summary}));
}

namespace {
struct FusePipelineOptions : PassPipelineOptions<FusePipelineOptions> {
  Option<bool> summary{*this, "summary", llvm::cl::desc("Print how many dispatches there are, and of what"), llvm::cl::init(false)};
};
} // namespace

void registerFusePipeline() {
  PassPipelineRegistration<FusePipelineOptions>("fuse", "Phase fuse: nn to kernel",
                                                [](OpPassManager &manager, const FusePipelineOptions &o) { buildFusePipeline(manager, {o.summary, {}}); });
}

} // namespace tenon::fuse
