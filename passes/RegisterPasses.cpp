#include "passes/RegisterPasses.h"
#include "passes/1_graph/Passes.h"
#include "passes/3_fuse/Passes.h"

namespace tenon {

void registerAllPasses() {
  graph::registerGraphPasses();
  graph::registerGraphPipeline();
  fuse::registerFusePasses();
  fuse::registerFusePipeline();
}

} // namespace tenon
