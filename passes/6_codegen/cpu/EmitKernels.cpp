#include "passes/6_codegen/cpu/EmitKernels.h"
#include "passes/6_codegen/cpu/KernelBuilder.h"
#include "passes/6_codegen/cpu/KernelFamily.h"
#include "mlir/Conversion/ArithToLLVM/ArithToLLVM.h"
#include "mlir/Conversion/ControlFlowToLLVM/ControlFlowToLLVM.h"
#include "mlir/Conversion/FuncToLLVM/ConvertFuncToLLVMPass.h"
#include "mlir/Conversion/MathToLLVM/MathToLLVM.h"
#include "mlir/Conversion/NVVMToLLVM/NVVMToLLVM.h"
#include "mlir/Conversion/ReconcileUnrealizedCasts/ReconcileUnrealizedCasts.h"
#include "mlir/Conversion/SCFToControlFlow/SCFToControlFlow.h"
#include "mlir/Conversion/VectorToLLVM/ConvertVectorToLLVMPass.h"
#include "mlir/Dialect/Index/IR/IndexDialect.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/Threading.h"
#include "mlir/Target/LLVMIR/Dialect/Builtin/BuiltinToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/LLVMIR/LLVMToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/NVVM/NVVMToLLVMIRTranslation.h"
#include "passes/6_codegen/gpu/EmitKernels.h"
#include "passes/6_codegen/gpu/TensorMaps.h"

namespace tenon::cpu {
using namespace mlir;

static void addLoweringPasses(OpPassManager &pm) {
  pm.addNestedPass<func::FuncOp>(createCSEPass());
  pm.addPass(createLoopInvariantCodeMotionPass());
  pm.addPass(createSCFToControlFlowPass());
  pm.addPass(createConvertVectorToLLVMPass());
  pm.addPass(createConvertNVVMToLLVMPass());
  pm.addPass(createConvertMathToLLVMPass());
  pm.addPass(createArithToLLVMConversionPass());
  pm.addPass(createConvertFuncToLLVMPass());
  pm.addPass(createConvertControlFlowToLLVMPass());
  pm.addPass(createReconcileUnrealizedCastsPass());
}

void registerCodegenDialects(DialectRegistry &registry) {
  // Kernels are lowered on several threads, which must not load dialects.
  OpPassManager lowering(ModuleOp::getOperationName());
  addLoweringPasses(lowering);
  lowering.getDependentDialects(registry);
  registry.insert<func::FuncDialect, scf::SCFDialect, arith::ArithDialect, math::MathDialect, vector::VectorDialect, cf::ControlFlowDialect,
                  LLVM::LLVMDialect, NVVM::NVVMDialect>();
  registerBuiltinDialectTranslation(registry);
  registerLLVMDialectTranslation(registry);
  registerNVVMDialectTranslation(registry);
}

/// Whether a kernel computes nothing at all: families choose tiles of sizes that are not 0.
static bool isEmpty(kernel::FuncOp func) {
  return llvm::all_of(func.getFunctionType().getResults(), [](Type type) { return nn::numElements(type).isConstant(0); });
}

FailureOr<OwningOpRef<ModuleOp>> emitKernel(kernel::FuncOp func, const Target &target) {
  if (!func.getSchedule())
    return func.emitError("has no schedule");
  const KernelFamily *family = familyNamed(func.getSchedule()->getFamily().getValue());
  if (!family)
    return func.emitError("has a schedule of an unknown family '") << func.getSchedule()->getFamily().getValue() << "'";
  if (!llvm::is_contained(families(target), family))
    return func.emitError("has a schedule of the family '") << family->name() << "', which " << target.name << " cannot run; schedule it for this target";
  OwningOpRef<ModuleOp> module = ModuleOp::create(func.getLoc());
  BlockShape block;
  if (target.isGpu()) {
    block = family->plan(func, *func.getSchedule(), target).block;
    gpu::markTensorMaps(func, target);
  }
  KernelBuilder builder(*module, func, target, block);
  if (!isEmpty(func) && failed(family->emit(func, *func.getSchedule(), builder)))
    return func.emitError("the family '") << family->name() << "' cannot emit it";
  builder.finish();
  return module;
}

LogicalResult lowerKernel(ModuleOp module) {
  PassManager pm(module.getContext(), ModuleOp::getOperationName());
  pm.enableVerifier(false);
  addLoweringPasses(pm);
  return pm.run(module);
}

FailureOr<CodeImage> emitKernels(ModuleOp module, const Target &target) {
  if (target.isGpu())
    return gpu::emitKernels(module, target);
  SmallVector<kernel::FuncOp> kernels(module.getOps<kernel::FuncOp>());
  std::vector<SmallVector<char, 0>> objects(kernels.size());
  auto compile = [&](size_t index) -> LogicalResult {
    FailureOr<OwningOpRef<ModuleOp>> code = emitKernel(kernels[index], target);
    if (failed(code) || failed(lowerKernel(**code)))
      return failure();
    FailureOr<SmallVector<char, 0>> object = generateObject(**code, target);
    if (failed(object))
      return failure();
    objects[index] = std::move(*object);
    return success();
  };
  if (failed(failableParallelForEachN(module.getContext(), 0, kernels.size(), compile)))
    return failure();
  if (kernels.empty())
    return CodeImage();
  llvm::Expected<CodeImage> image = linkObjects(objects, target);
  if (!image)
    return module.emitError(llvm::toString(image.takeError()));
  return std::move(*image);
}

} // namespace tenon::cpu
