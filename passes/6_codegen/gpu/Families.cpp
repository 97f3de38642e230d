// The list of families. A new one: a line here, before what is more general.
#include "passes/6_codegen/gpu/Families.h"
#include "lib/Target/Gpu.h"
#include "passes/6_codegen/gpu/Attention.h"
#include "passes/6_codegen/gpu/Beside.h"
#include "passes/6_codegen/gpu/Columns.h"
#include "passes/6_codegen/gpu/Depthwise.h"
#include "passes/6_codegen/gpu/Gate.h"
#include "passes/6_codegen/gpu/GeneralRoad.h"
#include "passes/6_codegen/gpu/LibraryConvolution.h"
#include "passes/6_codegen/gpu/LibraryProduct.h"
#include "passes/6_codegen/gpu/Matrix.h"
#include "passes/6_codegen/gpu/Pool.h"
#include "passes/6_codegen/gpu/Ranks.h"
#include "passes/6_codegen/gpu/Recurrent.h"
#include "passes/6_codegen/gpu/Rows.h"
#include "passes/6_codegen/gpu/Scan.h"
#include "passes/6_codegen/gpu/Scatter.h"
#include "passes/6_codegen/gpu/Select.h"
#include "passes/6_codegen/gpu/Stem.h"
#include "passes/6_codegen/gpu/Suppress.h"
#include "passes/6_codegen/gpu/ThreadTasks.h"
#include "passes/6_codegen/gpu/Transpose.h"

namespace tenon::gpu {

int64_t sharedLimit(const Target &target) {
  constexpr int kHopper = 90;
  constexpr int64_t kMeasured = 96 << 10; // with which schedules were measured there: two blocks find room, and what wants more has ways of its own
  return target.computeCapability == kHopper ? kMeasured : sharedOfBlock(target);
}

int64_t sharedOfMultiprocessor(const Target &target) {
  constexpr int64_t kReserved = 8 << 10; // a kilobyte of each block is the system's, here of eight
  return limitsOf(target).sharedOfMultiprocessor - kReserved;
}

llvm::ArrayRef<const KernelFamily *> families() {
  static const KernelFamily *const all[] = {&besideFamily(),
                                            &stemFamily(),
                                            &matrixFamily(),
                                            &gateFamily(),
                                            &depthwiseFamily(),
                                            &poolFamily(),
                                            &attentionFamily(),
                                            &rowsFamily(),
                                            &columnsFamily(),
                                            &transposeFamily(),
                                            &recurrentFamily(),
                                            &recurrenceTasksFamily(),
                                            &linearAttentionTasksFamily(),
                                            &selectFamily(),
                                            &ranksFamily(),
                                            &topKTasksFamily(),
                                            &scanFamily(),
                                            &scatterFamily(),
                                            &suppressFamily(),
                                            &sequentialTasksFamily(),
                                            &cublasLtFamily(),
                                            &cudnnFamily(),
                                            &generalRoadFamily()};
  return all;
}

} // namespace tenon::gpu
