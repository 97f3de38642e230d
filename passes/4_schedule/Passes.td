// Phase schedule: how every kernel is computed.
include "mlir/Pass/PassBase.td"

def ApplyTuning : Pass<"kernel-apply-tuning", "::mlir::ModuleOp"> {
  let summary = "Give kernels the schedules that a tuning cache holds for them";
  let description = [{
    A kernel is looked up by its signature and the target's instruction set. Records of this machine come first, then those with as many threads as
    the target has cores, then the fastest. What cannot be used is reported and skipped: lines that are no records, other instruction sets, schedules
    that the families do not propose. Kernels without a record are left to kernel-assign-schedules.

    Before:  kernel.func private @conv_0(…) -> … { … }
    After:   kernel.func private @conv_0(…) -> … attributes {schedule = #kernel.schedule<"contraction", {mr = 4 : i64, …}>} { … }
             module attributes {tenon.tuning = "12 of 14 kernels tuned on AMD Ryzen 7 5700X"}
  }];
  let options = [Option<"targetName", "target", "std::string", "\"native\"", "the CPU to schedule for">,
                 Option<"file", "cache", "std::string", "\"\"", "file that `tenon tune` wrote">,
                 Option<"exactOrder", "exact-order", "bool", "false", "skip records of Winograd transforms and Strassen products">];
  let statistics = [Statistic<"tuned", "tuned", "kernels that got a schedule of the cache">,
                    Statistic<"refused", "refused", "records whose schedule no family proposes">];
  let dependentDialects = ["::tenon::kernel::KernelDialect"];
}

def AssignSchedules : Pass<"kernel-assign-schedules", "::mlir::ModuleOp"> {
  let summary = "Give every kernel a family, a schedule, its tasks and its workspace";
  let description = [{
    The first family that matches computes the kernel; its cost model's first choice becomes the schedule, unless the kernel
    has one already (a tuned schedule is kept). A kernel that some dispatches call with constants and others with computed
    tensors becomes two: arguments that are always constant carry `kernel.constant`, so that a family may have them packed.

    Before:  kernel.func private @conv_0(%x: …, %w: …) -> … { … }
    After:   kernel.func private @conv_0(%x: …, %w: … {kernel.constant}) -> … attributes {
               schedule = #kernel.schedule<"contraction", {mr = 6 : i64, …}>, tasks = #nn.expr<8>, workspace_bytes = 0 : i64,
               overwrites = array<i64: -1>} { … }
  }];
  let options = [Option<"targetName", "target", "std::string", "\"native\"", "the CPU to schedule for">,
                 Option<"exactOrder", "exact-order", "bool", "false", "multiply and add as the model says: no Winograd transforms, no Strassen products">,
                 Option<"fromLibraries", "from-libraries", "bool", "false", "prefer the libraries that the target may call">];
  let statistics = [Statistic<"scheduled", "scheduled", "kernels that got a schedule">,
                    Statistic<"kept", "kept", "kernels that had one">,
                    Statistic<"split", "split", "kernels cloned because only some callers pass constants">];
  let dependentDialects = ["::tenon::kernel::KernelDialect"];
}

def PackConstants : Pass<"kernel-pack-constants", "::mlir::ModuleOp"> {
  let summary = "Lay constant operands out as the schedules read them";
  let description = [{
    Where the schedule's family asks for a packed argument, the argument gets the packed type and `kernel.unpack` names
    the layout in the body; at each dispatch the packing is spelt as nn ops on the constant, for nn-fold-constants.

    Before:  %y = kernel.dispatch @conv_0(%x, %w) : (…, tensor<64x64x1x1xf32>) -> …
    After:   %0 = nn.reshape %w … %1 = nn.transpose %0 … : tensor<4x64x16xf32>
             %y = kernel.dispatch @conv_0(%x, %1) : (…, tensor<4x64x16xf32>) -> …
  }];
  let options = [Option<"targetName", "target", "std::string", "\"native\"", "the CPU to pack for">];
  let statistics = [Statistic<"packed", "packed", "arguments that are read packed">];
  let dependentDialects = ["::tenon::kernel::KernelDialect", "::tenon::nn::NNDialect"];
}
