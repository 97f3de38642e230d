// Runs passes of Tenon and MLIR over textual IR: the tool of the lit tests, and of anyone with a dumped phase.
#include "dialects/kernel/Kernel.h"
#include "dialects/nn/NN.h"
#include "dialects/plan/Plan.h"
#include "mlir/Dialect/Func/Extensions/AllExtensions.h"
#include "mlir/Tools/mlir-opt/MlirOptMain.h"
#include "mlir/Transforms/Passes.h"
#include "passes/6_codegen/cpu/EmitKernels.h"
#include "passes/RegisterPasses.h"

int main(int argc, char **argv) {
  mlir::DialectRegistry registry;
  registry.insert<tenon::nn::NNDialect, tenon::kernel::KernelDialect, tenon::plan::PlanDialect>();
  registry.insert<mlir::arith::ArithDialect, mlir::func::FuncDialect, mlir::LLVM::LLVMDialect, mlir::quant::QuantDialect,
                  mlir::scf::SCFDialect, mlir::vector::VectorDialect>();
  tenon::cpu::registerCodegenDialects(registry);
  mlir::func::registerAllExtensions(registry);
  mlir::registerTransformsPasses();
  tenon::registerAllPasses();
  return mlir::asMainReturnCode(mlir::MlirOptMain(argc, argv, "Tenon optimizer driver\n", registry));
}
