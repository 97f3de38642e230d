#include "passes/RegisterPasses.h"
#include "passes/1_graph/Passes.h"
#include "passes/2_quantize/Passes.h"
#include "passes/3_fuse/Passes.h"
#include "passes/4_schedule/Passes.h"
#include "passes/5_memory/Passes.h"
#include "passes/6_codegen/cpu/Passes.h"
#include "passes/7_plan/Passes.h"

namespace tenon {

void registerAllPasses() {
  graph::registerGraphPasses();
  graph::registerGraphPipeline();
  quantize::registerQuantizePasses();
  fuse::registerFusePasses();
  fuse::registerFusePipeline();
  schedule::registerSchedulePasses();
  memory::registerMemoryPasses();
  cpu::registerCodegenPasses();
  plan::registerPlanPasses();
}

} // namespace tenon
