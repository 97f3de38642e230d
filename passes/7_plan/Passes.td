// Phase plan: the last look before a plan is written.
include "mlir/Pass/PassBase.td"

def VerifyPlan : Pass<"plan-verify", "::mlir::ModuleOp"> {
  let summary = "Prove that no launch reads or writes memory that it must not";
  let description = [{
    Independently of how the places were chosen: operand counts match the kernel; a result shares bytes with an operand only where the
    kernel's schedule allows it (`overwrites`, same address); buffers that are alive at the same launch do not overlap in the arena; nobody
    reads a buffer before it is written. Fails with the launch, the kernel and the two buffers.
  }];
  let statistics = [Statistic<"launches", "launches", "launches checked">];
  let dependentDialects = ["::tenon::plan::PlanDialect", "::tenon::kernel::KernelDialect"];
}
