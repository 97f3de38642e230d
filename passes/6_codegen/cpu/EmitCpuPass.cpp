// codegen-emit-cpu: emitted kernels in place of kernel.func.
#include "passes/6_codegen/cpu/EmitKernels.h"
#include "passes/PassTarget.h"
#include "passes/6_codegen/cpu/KernelBuilder.h"
#include "passes/6_codegen/cpu/Passes.h"

namespace tenon::cpu {
#define GEN_PASS_DEF_EMITCPU
#include "passes/6_codegen/cpu/Passes.h.inc"

namespace {
using namespace mlir;

class EmitCpuPass : public impl::EmitCpuBase<EmitCpuPass> {
public:
  using EmitCpuBase::EmitCpuBase;

  void runOnOperation() override {
    FailureOr<Target> target = passTarget(getOperation(), std::nullopt, targetName);
    if (failed(target))
      return signalPassFailure();
    SmallVector<kernel::FuncOp> funcs(getOperation().getOps<kernel::FuncOp>());
    std::stable_partition(funcs.begin(), funcs.end(),
                          [](kernel::FuncOp func) { return !func.getBody().getOps<kernel::DispatchOp>().empty(); }); // before their parts are gone
    for (kernel::FuncOp func : funcs)
      if (failed(replace(func, *target)))
        return signalPassFailure();
  }

private:
  LogicalResult replace(kernel::FuncOp func, const Target &target) {
    FailureOr<OwningOpRef<ModuleOp>> emitted = emitKernel(func, target);
    if (failed(emitted))
      return failure();
    ModuleOp code = **emitted;
    ++this->emitted;
    code.walk([&](Operation *) { ++operations; });
    if (assembly && failed(printAssembly(code, target)))
      return failure();
    code.setName(func.getSymName());
    OpBuilder(func).insert(emitted->release());
    func.erase();
    return success();
  }

  LogicalResult printAssembly(ModuleOp code, const Target &target) {
    OwningOpRef<ModuleOp> lowered = code.clone();
    std::string text;
    if (failed(lowerKernel(*lowered)))
      return failure();
    if (target.isGpu()) {
      FailureOr<std::string> ptx = generatePtx(*lowered, target);
      if (failed(ptx))
        return failure();
      text = std::move(*ptx);
    } else if (failed(generateObject(*lowered, target, &text))) {
      return failure();
    }
    llvm::outs() << text;
    return success();
  }
};
} // namespace
} // namespace tenon::cpu
