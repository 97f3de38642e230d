#include "passes/6_codegen/gpu/EmitKernels.h"
#include "dialects/kernel/Kernel.h"
#include "dialects/plan/Plan.h"
#include "mlir/IR/Threading.h"
#include "passes/6_codegen/cpu/EmitKernels.h"
#include "passes/6_codegen/gpu/Directions.h"
#include "passes/6_codegen/gpu/Libraries.h"

namespace tenon::gpu {
using namespace mlir;

/// All but those that are only parts of others.
static SmallVector<kernel::FuncOp> launchedKernels(ModuleOp module) {
  llvm::DenseSet<StringRef> launched;
  module.walk([&](plan::LaunchOp launch) { launched.insert(launch.getKernel()); });
  auto kernels = module.getOps<kernel::FuncOp>();
  return llvm::to_vector(llvm::make_filter_range(kernels, [&](kernel::FuncOp func) { return launched.contains(func.getSymName()); }));
}

FailureOr<CodeImage> emitKernels(ModuleOp module, const Target &target) {
  markAlignments(module);
  markDirections(module);
  SmallVector<kernel::FuncOp> kernels = launchedKernels(module);
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
  if (kernels.empty())
    return CodeImage();
  llvm::Expected<CodeImage> image = linkPtx(texts, target);
  if (!image)
    return module.emitError(llvm::toString(image.takeError()));
  return std::move(*image);
}

} // namespace tenon::gpu
