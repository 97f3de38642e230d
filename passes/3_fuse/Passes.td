// Passes of phase fuse, in order.
#ifndef TENON_FUSE_PASSES
#define TENON_FUSE_PASSES
include "mlir/Pass/PassBase.td"

def FormGroups : Pass<"kernel-form-groups", "::mlir::func::FuncOp"> {
  let summary = "Decide which ops are computed together";
  let description = [{
    Every op that is more than elementwise is an anchor. It takes the elementwise ops of its result while one value leaves
    the group, then the cheap ones of its first operand; elementwise ops that are left form groups of one shape. Views are
    copied into each kernel that can read through them; the others become kernels of their own. What an anchor may take is
    in FusionRules.cpp. Groups never depend on each other in a circle. Marks ops with `kernel.group`.
    Before:  %0 = nn.conv %x, %w …   %1 = nn.add %0, %r …   %2 = nn.relu %1 …
    After:   the same, all three with {kernel.group = 0 : i64}
  }];
  let options = [Option<"gates", "gates", "bool", "false", "Whether two products of one row that follow each other become one kernel">,
                 Option<"images", "images", "bool", "false", "Whether convolutions of an image make bytes of it as they read it">,
                 Option<"groupNorms", "group-norms", "bool", "false", "Whether group norms take the elementwise ops of their result">];
  let dependentDialects = ["::tenon::nn::NNDialect"];
  let statistics = [Statistic<"epilogues", "epilogue-ops", "ops computed at an anchor's store">,
                    Statistic<"prologues", "prologue-ops", "ops computed at an anchor's load">,
                    Statistic<"views", "views", "operands read through views">];
}

def Outline : Pass<"kernel-outline", "::mlir::ModuleOp"> {
  let summary = "Make every group a kernel.func and a dispatch";
  let description = [{
    Tensors from outside become arguments, weights included; scalars and shape expressions become constants inside.
    Before:  %0 = nn.conv %x, %w {kernel.group = 0} …   %1 = nn.relu %0 {kernel.group = 0} …
    After:   %1 = kernel.dispatch @kernel_0(%x, %w) …
             kernel.func private @kernel_0(%x, %w) { … nn.conv … nn.relu … kernel.return … }
  }];
  let dependentDialects = ["::tenon::nn::NNDialect", "::tenon::kernel::KernelDialect"];
  let statistics = [Statistic<"kernels", "outlined", "kernels outlined">];
}

def ChainDepthwise : Pass<"kernel-chain-depthwise", "::mlir::ModuleOp"> {
  let summary = "Compute a depthwise convolution together with the 1x1 convolutions around it";
  let description = [{
    Blocks of mobile networks expand an image to many channels, filter each channel, and project them to few again. Where the many channels of all
    pixels would leave the second-level cache between two kernels, one kernel computes all of it row by row (the depthwise_chain family). Only where the
    tensor between the convolutions has no other reader, and where the family's cost model says that it pays on the target. Of a block whose gate needs all
    pixels first (squeeze and excite), expansion and filter are joined.
    Before:  %1 = kernel.dispatch @expand(%x, %w0) …   %2 = kernel.dispatch @filter(%1, %w1) …   %3 = kernel.dispatch @project(%2, %w2, %x) …
    After:   %3 = kernel.dispatch @expand(%x, %w0, %w1, %w2) …
  }];
  let options = [Option<"targetName", "target", "std::string", "\"native\"", "the CPU whose caches count">];
  let dependentDialects = ["::tenon::nn::NNDialect", "::tenon::kernel::KernelDialect"];
  let statistics = [Statistic<"chains", "chains", "chains that became one kernel">];
}

def Deduplicate : Pass<"kernel-deduplicate", "::mlir::ModuleOp"> {
  let summary = "Make equal kernels one and name them by what they compute";
  let description = [{
    Kernels that differ only in locations are the same code. Names are the anchor, what follows it, and a number in the order
    of first use.
    Before:  kernel.dispatch @kernel_0(%a, %w0)   kernel.dispatch @kernel_1(%b, %w1)
    After:   kernel.dispatch @conv_relu_0(%a, %w0)   kernel.dispatch @conv_relu_0(%b, %w1)
  }];
  let options = [Option<"summary", "summary", "bool", "false", "Print how many dispatches there are, and of what">];
  let statistics = [Statistic<"dispatches", "dispatches", "dispatches">, Statistic<"kernels", "kernels", "different kernels">];
}
#endif
