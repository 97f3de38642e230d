#include "passes/6_codegen/gpu/EmitKernels.h"
#include "dialects/kernel/Kernel.h"
#include "mlir/IR/Threading.h"
#include "passes/6_codegen/cpu/EmitKernels.h"
#include "passes/6_codegen/gpu/Directions.h"
#include "passes/6_codegen/gpu/Libraries.h"

namespace tenon::gpu {
using namespace mlir;

FailureOr<CodeImage> emitKernels(ModuleOp module, const Target &target) {
  markAlignments(module);
  markDirections(module);
  SmallVector<kernel::FuncOp> kernels(module.getOps<kernel::FuncOp>());
  std::vector<std::string> texts(kernels.size());
  auto compile = [&](size_t index) -> LogicalResult {
    if (isOfLibrary(kernels[index].getScheduleAttr()))
      return success(); // without code
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
