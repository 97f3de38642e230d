// Phase codegen, for readers and tests: kernels as their families emit them.
include "mlir/Pass/PassBase.td"

def EmitCpu : Pass<"codegen-emit-cpu", "::mlir::ModuleOp"> {
  let summary = "Replace every scheduled kernel by the code its family emits";
  let description = [{
    Each kernel.func becomes a nested module of its name with two functions: the body, whose buffers, sizes and task are arguments, and
    the entry point that the runtime calls, which unpacks tn_kernel_args. Compilation lowers exactly this module and generates its
    machine code; dispatches of the kernels are not touched, so this pass is for kernels alone.

    Before:  kernel.func private @relu(%x: tensor<64xf32>) -> tensor<64xf32> attributes {schedule = #kernel.schedule<"loops", {}>, …} { … }
    After:   module @relu {
               func.func private @relu.body(%x: !llvm.ptr {llvm.noalias}, %y: !llvm.ptr {llvm.noalias}, %task: i64) {
                 scf.for … { %v = llvm.load … : !llvm.ptr -> vector<8xf32> … }
                 return
               }
               func.func @relu(%args: !llvm.ptr, %task: i32) { … call @relu.body(…) … }
             }
  }];
  let options = [Option<"targetName", "target", "std::string", "\"native\"", "the machine to emit for">,
                 Option<"assembly", "assembly", "bool", "false", "print each kernel's assembly, or PTX, to standard output as well">];
  let statistics = [Statistic<"emitted", "emitted", "kernels">,
                    Statistic<"operations", "operations", "operations of the emitted bodies">];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::func::FuncDialect", "::mlir::LLVM::LLVMDialect", "::mlir::NVVM::NVVMDialect",
                           "::mlir::scf::SCFDialect", "::mlir::vector::VectorDialect"];
}
