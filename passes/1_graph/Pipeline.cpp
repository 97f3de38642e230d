#include "passes/1_graph/Passes.h"
#include "passes/2_quantize/Passes.h"
#include "mlir/Transforms/Passes.h"

using namespace mlir;

namespace tenon::graph {

void buildGraphPipeline(OpPassManager &manager, const GraphOptions &options) {
  OpPassManager &pm = manager.nest<func::FuncOp>();
  auto cleanUp = [&] {
    pm.addPass(createCanonicalizerPass());
    pm.addPass(createCSEPass());
  };

  // 1. One element type to match on, shape arithmetic folded, equal ops one: patterns compare values by identity.
  if (options.promoteHalf)
    pm.addPass(createPromoteHalf());
  cleanUp();
  // 2. What a model's constants determine is constant before anything is matched: masks, position embeddings.
  pm.addPass(createFoldConstantsPass(options.evaluator));
  // Quantized networks: what is quantized, then what is computed on bytes; the rest of integer arithmetic in f32.
  pm.addPass(quantize::createFormQuantize());
  pm.addPass(quantize::createDotProducts());
  cleanUp();
  pm.addPass(createExactIntegers());
  cleanUp();
  pm.addPass(createFoldConstantsPass(options.evaluator));
  pm.addPass(quantize::createPropagateQuantization());
  pm.addPass(quantize::createFormQuantize());
  cleanUp();
  pm.addPass(quantize::createSumBytes());
  pm.addPass(createFoldConstantsPass(options.evaluator));
  pm.addPass(quantize::createTabulateBytesPass(options.evaluator));
  cleanUp();
  // 3. Views and reshapes out of the way of patterns, then layers from their parts. Twice: a norm or an activation
  //    found once lets reshapes pass that hid another layer.
  for (int round = 0; round < 2; ++round) {
    pm.addPass(createSimplifyViews());
    pm.addPass(createRecompose());
    cleanUp();
  }
  // 4. Arithmetic into weights: after recomposition, which reads scales and shifts as parts of layers.
  pm.addPass(createFoldPads());
  pm.addPass(createFoldBatchNorm());
  pm.addPass(createConvTransposeToConv());
  cleanUp();
  // 5. Layout: every convolution asks for channels last, then transposes meet and cancel.
  if (options.channelsLast)
    pm.addPass(createChannelsLast());
  pm.addPass(createSinkTransposes());
  cleanUp();
  // 6. Again: attention whose operands transposes hid, pads that a transpose kept from their convolution.
  pm.addPass(createRecompose());
  pm.addPass(createFoldPads());
  pm.addPass(createFoldBatchNorm());
  if (options.mergeMatMuls)
    pm.addPass(createMergeMatMuls());
  bool isHalf = options.storage == "f16" || options.storage == "bf16";
  if (!options.storage.empty() || options.matrixUnits) // on a GPU
    pm.addPass(createMergeConvs());
  pm.addPass(createSinkTransposes());
  pm.addPass(createHoistTransposes());
  cleanUp();
  // 7. Weights as they will be used; nothing scales sums of integers any more.
  pm.addPass(createFoldConstantsPass(options.evaluator));
  pm.addPass(quantize::createDropRounding());
  if (isHalf) {
    pm.addPass(createLowerPrecision(options.storage));
    pm.addPass(createSimplifyViews()); // reshapes that transposes kept between a product and what is added to it, or what it is cast to
  }
  if (options.bf16Factors != Bf16Models::None)
    pm.addPass(createBf16Factors({options.bf16Factors == Bf16Models::OfBf16}));
  if (options.matrixUnits) {
    pm.addPass(createDropUnreadRows());
    pm.addPass(createPatchesIntoProducts());
    pm.addPass(createJoinGroups());
    pm.addPass(createMeansIntoDepthwise());
    pm.addPass(createSplitReductions());
    pm.addPass(createCanonicalizerPass());
    pm.addPass(createTokensIntoProducts());
  }
  if (options.matrixUnits && isHalf) {
    pm.addPass(createNormsIntoProducts());
    pm.addPass(createJoinAddedConvs());
    pm.addPass(createUpsampleIntoProducts());
  }
  if (options.splitLSTMs)
    pm.addPass(createLSTMsIntoProducts()); // whose products are f32, as their steps are
  pm.addPass(createFoldConstantsPass(options.evaluator));
  if (!options.storage.empty() && !isHalf)
    pm.addPass(createLowerPrecision(options.storage)); // after everything that changes weights
  pm.addPass(createFlushTinyWeights());
  pm.addPass(createDropMasks());
  cleanUp();
}

namespace {
struct GraphPipelineOptions : PassPipelineOptions<GraphPipelineOptions> {
  Option<bool> channelsLast{*this, "channels-last", llvm::cl::desc("Lay activations out with channels innermost"), llvm::cl::init(true)};
  Option<bool> promoteHalf{*this, "promote-half", llvm::cl::desc("Compute fp16 and bf16 tensors in f32"), llvm::cl::init(true)};
  Option<bool> bf16Factors{*this, "bf16-factors", llvm::cl::desc("Store the factors of products as bf16, for CPUs that multiply them"), llvm::cl::init(false)};
  Option<std::string> storage{*this, "storage", llvm::cl::desc("Store f32 tensors as f16 or bf16, or multiply them as tf32"), llvm::cl::init("")};
  Option<bool> matrixUnits{*this, "matrix-units", llvm::cl::desc("Form products as kernels on matrix units take them"), llvm::cl::init(false)};
  Option<bool> mergeMatMuls{*this, "merge-matmuls", llvm::cl::desc("Make products that share their input one"), llvm::cl::init(true)};
};
} // namespace

void registerGraphPipeline() {
  PassPipelineRegistration<GraphPipelineOptions>("graph", "Phase graph: nn to nn", [](OpPassManager &manager, const GraphPipelineOptions &o) {
    buildGraphPipeline(manager, {o.channelsLast, o.promoteHalf, o.mergeMatMuls, o.matrixUnits, o.bf16Factors ? Bf16Models::All : Bf16Models::None,
                                 o.storage, o.matrixUnits, nullptr});
  });
}

} // namespace tenon::graph
