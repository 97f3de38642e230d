// The phases: names, and the passes that each of them runs.
#include "dialects/kernel/Kernel.h"
#include "dialects/nn/PackedWeights.h"
#include "dialects/plan/Plan.h"
#include "lib/Compiler/Evaluate.h"
#include "lib/Compiler/Reproducer.h"
#include "lib/Compiler/Session.h"
#include "lib/Compiler/Serializer.h"
#include "passes/1_graph/Passes.h"
#include "passes/2_quantize/Passes.h"
#include "passes/3_fuse/Passes.h"
#include "passes/4_schedule/Passes.h"
#include "passes/5_memory/Passes.h"
#include "passes/7_plan/Passes.h"
#include "mlir/Pass/PassManager.h"

namespace tenon {
using namespace mlir;

static constexpr StringLiteral kPhases[] = {"import", "graph", "fuse", "schedule", "memory", "codegen", "plan"};

StringRef phaseName(Phase phase) { return kPhases[int(phase)]; }

std::optional<Phase> phaseNamed(StringRef name) {
  auto found = llvm::find(kPhases, name);
  return found == std::end(kPhases) ? std::nullopt : std::optional(Phase(found - std::begin(kPhases)));
}

const std::vector<std::string> &phaseNames() {
  static const std::vector<std::string> names(std::begin(kPhases), std::end(kPhases));
  return names;
}

void registerDialects(DialectRegistry &registry) {
  registry.insert<nn::NNDialect, kernel::KernelDialect, plan::PlanDialect, func::FuncDialect, quant::QuantDialect>();
  cpu::registerCodegenDialects(registry);
}

/// Whether kernels multiply what is stored as `storage` on the matrix units of a GPU.
static bool hasMatrixUnits(const Target &target, StringRef storage) {
  constexpr int kFirst = 80, kFirstWithHalves = 75;
  return target.computeCapability >= (storage == "f16" ? kFirstWithHalves : kFirst);
}

/// Whether they multiply floats of 8 bits.
static bool multipliesNarrowFloats(const Target &target) {
  constexpr int kFirst = 89;
  return target.computeCapability >= kFirst;
}

/// Models of bf16 are multiplied in it wherever that is possible.
static graph::Bf16Models bf16Factors(const Target &target, StringRef storage) {
  if (target.isGpu() || !target.bf16)
    return graph::Bf16Models::None;
  return storage == "bf16" ? graph::Bf16Models::All : graph::Bf16Models::OfBf16;
}

static void addPasses(OpPassManager &pm, Phase phase, const Target &target, StringRef tuningCache, bool exactOrder, StringRef storage,
                      graph::ConstantEvaluator *evaluator) {
  switch (phase) {
  case Phase::Graph:
    if (multipliesNarrowFloats(target)) // while weights are what they are stored as
      pm.addNestedPass<func::FuncOp>(quantize::createNarrowProducts());
    return graph::buildGraphPipeline(pm, {.matrixUnits = hasMatrixUnits(target, storage),
                                          .bf16Factors = bf16Factors(target, storage),
                                          .storage = target.isGpu() ? storage.str() : "",
                                          .splitLSTMs = target.isGpu(),
                                          .evaluator = evaluator});
  case Phase::Fuse:
    return fuse::buildFusePipeline(pm, {.target = target});
  case Phase::Schedule:
    schedule::buildSchedulePipeline(pm, target, tuningCache, exactOrder);
    return pm.addNestedPass<func::FuncOp>(graph::createFoldConstantsPass(evaluator, /*everything=*/true));
  case Phase::Memory: return memory::buildMemoryPipeline(pm, target);
  case Phase::Plan: return pm.addPass(plan::createVerifyPlan());
  case Phase::Import:
  case Phase::Codegen: return;
  }
}

LogicalResult runPhase(Phase phase, ModuleOp module, const Target &target, StringRef tuningCache, bool exactOrder, StringRef reproducer,
                       StringRef storage) {
  if (phase == Phase::Graph && target.isGpu())
    nn::unpackAtCompileTime(module);
  PassManager pm(module.getContext());
  pm.enableVerifier(true);
  CompiledEvaluator evaluator;
  addPasses(pm, phase, target, tuningCache, exactOrder, storage, &evaluator);
  writeOnFailure(pm, reproducer);
  return pm.run(module);
}

FailureOr<std::vector<std::byte>> compileForEvaluation(ModuleOp module, const Target &target) {
  PassManager pm(module.getContext());
  fuse::buildFusePipeline(pm, {});
  // Nobody would fold the packing of the constants here: kernels read them as they are.
  pm.addPass(schedule::createAssignSchedules(target, /*exactOrder=*/true));
  memory::buildMemoryPipeline(pm, target);
  if (failed(pm.run(module)))
    return failure();
  FailureOr<CodeImage> code = cpu::emitKernels(module, target);
  if (failed(code))
    return failure();
  return serializePlan({{module, *code, target}});
}

} // namespace tenon
