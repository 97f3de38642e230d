// Phase memory: where every tensor lives.
include "mlir/Pass/PassBase.td"

def OrderDispatches : Pass<"kernel-order-dispatches", "::mlir::func::FuncOp"> {
  let summary = "Order dispatches for a low peak of live bytes";
  let description = [{
    List scheduling: among the dispatches whose operands are ready, the one that frees most (or adds least) comes first, the
    original order breaking ties; kept only where its peak is lower than that of the original order. Sizes that depend on symbols
    count as if every symbol were 64.

    Before:  %a = dispatch @wide(%x)  %b = dispatch @wide(%y)  %c = dispatch @narrow(%a)  %d = dispatch @narrow(%b)
    After:   %a = dispatch @wide(%x)  %c = dispatch @narrow(%a)  %b = dispatch @wide(%y)  %d = dispatch @narrow(%b)
  }];
  let statistics = [Statistic<"reordered", "reordered", "functions whose order changed">];
}

def Bufferize : Pass<"plan-bufferize", "::mlir::ModuleOp"> {
  let summary = "Turn tensors into buffers and dispatches into launches";
  let description = [{
    Decides for every tensor of @main whether it has a buffer of its own, is a view of another one, or overwrites one:
    reshapes and slices are views; a concat's operands are written where the concat wants them; concats whose operands
    already lie side by side are views; a result takes over the buffer of an operand that its kernel may overwrite and nobody needs any
    more. Kernels that read or write a view get `kernel.strides` on that argument or result (a clone for each pattern).
    Outputs are written by their producer.

    Before:  %a = kernel.dispatch @conv(%x, %w) : … -> tensor<1x8x8x16xf32>
             %b = kernel.dispatch @pool(%x) : … -> tensor<1x8x8x16xf32>
             %c = kernel.dispatch @concat(%a, %b) : … -> tensor<1x8x8x32xf32>
    After:   %c = plan.alloc size(8192)
             plan.launch @conv(%x, %w) -> (%c) …            // its result with strides [2048, 256, 32, 1]
             %v = plan.view %c offset(64)
             plan.launch @pool(%x) -> (%v) …
  }];
  let options = [Option<"inPlace", "in-place", "bool", "true", "write concat operands and overwritten operands in place">,
                 Option<"targetName", "target", "std::string", "\"native\"", "the CPU that kernels are for">];
  let statistics = [Statistic<"views", "views", "slices and concats that became views">,
                    Statistic<"copies", "copies", "concat operands that are copied into place">,
                    Statistic<"overwritten", "overwritten", "results that took over an operand's buffer">,
                    Statistic<"variants", "variants", "kernels cloned for strided operands">];
  let dependentDialects = ["::tenon::plan::PlanDialect", "::tenon::kernel::KernelDialect"];
}

def MergeLaunches : Pass<"plan-merge-launches", "::mlir::ModuleOp"> {
  let summary = "Make one launch of small ones that do not need each other";
  let description = [{
    On a GPU a small kernel takes mostly its launch, and leaves multiprocessors idle. Launches that touch nothing that another one
    writes, and that nothing between them does, become one of a kernel that dispatches theirs, each with blocks of its own, as long
    as all blocks find room at once; where stages of products take too much of it they become fewer. From sm_90 on, for constant sizes.

    Before:  plan.launch @a (%x, %v) -> (%y)   plan.launch @b (%x, %w) -> (%z)
    After:   plan.launch @a$b (%x, %v, %x, %w) -> (%y, %z)
             kernel.func @a$b(%0, %1, %2, %3) { %4 = kernel.dispatch @a(%0, %1)  %5 = kernel.dispatch @b(%2, %3)  kernel.return %4, %5 }
  }];
  let options = [Option<"targetName", "target", "std::string", "\"native\"", "the GPU that kernels are for">];
  let statistics = [Statistic<"merged", "merged", "launches that became part of another one">];
  let dependentDialects = ["::tenon::plan::PlanDialect", "::tenon::kernel::KernelDialect"];
}

def PackArena : Pass<"plan-pack-arena", "::mlir::ModuleOp"> {
  let summary = "Pack the lifetimes of all buffers into one arena";
  let description = [{
    A buffer lives from the first launch that touches it to the last. Where every size is a constant the offsets are decided
    here, by the packer that the runtime uses for sizes it learns later. Records the arena, the lower bound (the largest sum of live
    bytes at any launch) and the naive total.

    Before:  %b = plan.alloc size(4096)                     plan.func @main attributes {…}
    After:   %b = plan.alloc size(4096) offset(8192)        plan.func @main attributes {arena_bytes = 12288, lower_bound = 12288, …}
  }];
  let statistics = [Statistic<"buffers", "buffers", "buffers packed">];
  let dependentDialects = ["::tenon::plan::PlanDialect"];
}
