#include "passes/6_codegen/gpu/EmitKernels.h"
#include "dialects/kernel/Kernel.h"
#include "dialects/plan/Plan.h"
#include "mlir/IR/Threading.h"
#include "passes/6_codegen/cpu/EmitKernels.h"

namespace tenon::gpu {
using namespace mlir;

/// A plan for a GPU is one list of launches whose sizes are known before it runs.
static LogicalResult checkSteps(ModuleOp module) {
  Operation *first = nullptr;
  int64_t count = 0;
  module.walk([&](Operation *op) {
    if (!isa<plan::ReadSizesOp, plan::IfOp, plan::LoopOp>(op))
      return;
    first = first ? first : op;
    ++count;
  });
  if (!first)
    return success();
  return first->emitError("needs ") << (isa<plan::ReadSizesOp>(first) ? "sizes that only a run knows" : "branches or loops")
                                    << ", which plans for GPUs cannot have yet (steps of this kind: " << count << "); compile for a CPU";
}

FailureOr<CodeImage> emitKernels(ModuleOp module, const Target &target) {
  if (failed(checkSteps(module)))
    return failure();
  markAlignments(module);
  SmallVector<kernel::FuncOp> kernels(module.getOps<kernel::FuncOp>());
  std::vector<std::string> texts(kernels.size());
  auto compile = [&](size_t index) -> LogicalResult {
    FailureOr<OwningOpRef<ModuleOp>> code = cpu::emitKernel(kernels[index], target);
    if (failed(code) || failed(cpu::lowerKernel(**code)))
      return failure();
    FailureOr<std::string> ptx = generatePtx(**code, target);
    if (failed(ptx))
      return failure();
    texts[index] = std::move(*ptx);
    return success();
  };
  if (failed(failableParallelForEachN(module.getContext(), 0, kernels.size(), compile)))
    return failure();
  CodeImage image;
  if (kernels.empty())
    return image;
  llvm::Expected<std::vector<DeviceImage>> images = linkPtx(texts, target);
  if (!images)
    return module.emitError(llvm::toString(images.takeError()));
  image.device = std::move(*images);
  return image;
}

} // namespace tenon::gpu
