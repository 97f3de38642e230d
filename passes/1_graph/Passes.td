// Passes of phase graph, in the order of their first use.
#ifndef TENON_GRAPH_PASSES
#define TENON_GRAPH_PASSES
include "mlir/Pass/PassBase.td"

class GraphPass<string argument> : Pass<argument, "::mlir::func::FuncOp"> {
  let dependentDialects = ["::tenon::nn::NNDialect"];
}

def PromoteHalf : GraphPass<"nn-promote-half"> {
  let summary = "Compute fp16 and bf16 tensors in f32";
  let description = [{
    For targets whose arithmetic is f32. Inputs and outputs keep their type; weights are cast by constant folding.
    Intermediate rounding and overflow to infinity of the half type are not reproduced. A function whose products are all of bf16 is marked: nn-bf16-factors may
    take their factors as they were.
    Before:  %y = nn.relu %x : tensor<4xf16> -> tensor<4xf16>
    After:   %0 = nn.cast %x {to = f32} …   %1 = nn.relu %0 : tensor<4xf32> …   %y = nn.cast %1 {to = f16} …
  }];
  let statistics = [Statistic<"promoted", "promoted", "tensors computed in f32 instead of a half type">];
}

def LowerPrecision : GraphPass<"nn-lower-precision"> {
  let summary = "Store f32 tensors as fp16 or bf16";
  let description = [{
    For GPUs, whose matrix units multiply half types and add up in f32. Kernels compute in f32 and round where they store. Inputs and outputs
    keep their type; weights are cast by constant folding, values beyond the range to the largest one. Filters are rounded so that they keep their sums, and their
    biases stay f32. Ranges, running sums and recurrences stay f32, and so does what leads from bytes and sums of bytes on, or to bytes, and what leads
    linearly to a logarithm. In bf16 small networks and short sums stay f32, too, and what only outputs read.
    Before:  %y = nn.relu %x : tensor<4xf32> -> tensor<4xf32>
    After:   %0 = nn.cast %x {to = f16} …   %1 = nn.relu %0 : tensor<4xf16> …   %y = nn.cast %1 {to = f32} …

    `tf32` stores everything as it is and marks products and attention whose factors matrix units may cut to eleven bits. Constant weights are
    made larger by what is cut off their other factor in the mean, as each layer's results would be a little too small otherwise, and rounded here, filters
    again so that they keep their sums: what is added is less than a last place, of which rounding each weight alone would make none or a whole one.
    Before:  %y = nn.matmul %x, %w : tensor<4x8xf32>, tensor<8x8xf32> …
    After:   %y = nn.matmul %x, %w' {kernel.tf32} …
  }];
  let options = [Option<"to", "to", "std::string", "\"f16\"", "f16, bf16 or tf32">];
  let statistics = [Statistic<"lowered", "lowered", "tensors stored in the half type, or products with shorter factors">];
}

def Bf16Factors : GraphPass<"nn-bf16-factors"> {
  let summary = "Store the factors of products as bf16";
  let description = [{
    For CPUs that multiply pairs of bf16 and add up in f32: convolutions and products with constant weights. What they read is stored as bf16, through all that
    moves it, and so is what they give to filters of single channels; everything else is computed in f32, from sums that are not rounded. Readers of a factor that are no such products read what is stored, too,
    unless it leaves the function or a norm made it: numbers are written and read once. Filters are rounded so that they keep their sums.
    Before:  %r = nn.relu %x …   %y = nn.conv %r, %w …   %z = nn.add %y, %r : tensor<…xf32>
    After:   %r = nn.relu %x …   %b = nn.cast %r {to = bf16} …   %s = nn.conv %b, %wb : … -> tensor<…xbf16>   %y = nn.cast %s {to = f32} …
             %w = nn.cast %b {to = f32} …   %z = nn.add %y, %w : tensor<…xf32>
  }];
  let options = [Option<"onlyModelsOfBf16", "only-models-of-bf16", "bool", "false", "only functions whose products were bf16 when they were imported (nn-promote-half)">];
  let statistics = [Statistic<"lowered", "lowered", "products of bf16">];
}

def FoldConstants : GraphPass<"nn-fold-constants"> {
  let summary = "Evaluate what constants alone determine, with Tenon's own compiled code";
  let description = [{
    All ops whose operands are constants (contents known at compile time, not expressions of the input shapes) become one
    function, which the compiler's evaluator compiles and runs; its results replace them, as `dense` up to 1 KB and as
    blobs above. Weights are passed by reference. A result that is larger than 1 MB and than 4 times its operands (expand,
    tile) is left to run time, unless `everything` asks for it: packed constants, which kernels want as they are. Without an evaluator (tenon-opt) the pass only counts.
    Before:  %w = nn.constant dense_resource<w> …   %0 = nn.mul %w, %s …   %y = nn.conv %x, %0 …
    After:   %0 = nn.constant dense_resource<folded_0> …   %y = nn.conv %x, %0 …
  }];
  let constructor = "::tenon::graph::createFoldConstantsPass(nullptr)";
  let options = [Option<"everything", "everything", "bool", "false", "fold results of any size">];
  let statistics = [Statistic<"foldable", "foldable", "ops that constants determine">,
                    Statistic<"folded", "folded", "ops evaluated">];
}

def ExactIntegers : GraphPass<"nn-exact-integers"> {
  let summary = "Compute integer convolutions and products in f32 where that is exact";
  let description = [{
    Operands are 8-bit integers less their zero points. Where sum |weight| * max |input| stays below 2^24 for every result, f32 holds every
    partial sum; otherwise the input channels are split into parts for which it does. The sums are i32 again right behind the product.
    Before:  %0 = nn.sub (nn.cast %x {to = i32}), %zp   %y = nn.conv %0, %w : tensor<1x8x4x4xi32>, tensor<8x8x3x3xi32> …
    After:   %0 = nn.sub (nn.cast %x {to = f32}), (nn.cast %zp {to = f32})   %1 = nn.conv %0, (nn.cast %w {to = f32}) …
             %y = nn.cast (nn.round %1) {to = i32}
  }];
  let statistics = [Statistic<"rewritten", "rewritten", "convolutions and products computed in f32">];
}

def SimplifyViews : GraphPass<"nn-simplify-views"> {
  let summary = "Move slices to their source and reshapes after computations; merge concats and slices";
  let description = [{
    Slices move before reshapes and transposes, concats of adjacent slices and slices of concats vanish, reshapes move behind
    matmul and elementwise ops. Nothing is computed differently. Includes the canonical forms of views.
    Before:  %0 = nn.reshape %x : tensor<1x4x6xf32> -> tensor<4x2x3xf32>   %1 = nn.slice %0 [0, 1, 0] [4, 1, 3] …
    After:   %0 = nn.slice %x [0, 0, 3] [1, 4, 3] …   %1 = nn.reshape %0 …
  }];
}

def Recompose : GraphPass<"nn-recompose"> {
  let summary = "Find layers in the small ops that exporters make of them";
  let description = [{
    SiLU, hard-swish, mish, GELU (erf and tanh), ReLU and clip from max and min, means, global pooling, softmax, layer
    norm, RMS norm, attention (scale before or after the product, added or boolean masks, the form that is safe for rows
    without keys), pixel shuffle, table lookup. One file an idea under recompose/; each says where it is not exact.
    Before:  %0 = nn.sigmoid %x …   %y = nn.mul %x, %0 …
    After:   %y = nn.silu %x …
  }];
  let statistics = [Statistic<"attentions", "attentions", "attention layers found">,
                    Statistic<"norms", "norms", "layer and RMS norms found">,
                    Statistic<"activations", "activations", "activations found">];
}

def FoldPads : GraphPass<"nn-fold-pads"> {
  let summary = "Fold constant padding into the convolution or pool that reads it";
  let description = [{
    Zeros into convolutions and into means (which then count them), values below every element into maxima.
    Before:  %0 = nn.pad %x {low = [0, 0, 1, 1], high = [0, 0, 1, 1]} …   %y = nn.conv %0, %w {pads = [0, 0, 0, 0]} …
    After:   %y = nn.conv %x, %w {pads = [1, 1, 1, 1]} …
  }];
  let statistics = [Statistic<"folded", "folded", "pads folded">];
}

def FoldBatchNorm : GraphPass<"nn-fold-batch-norm"> {
  let summary = "Fold batch normalization, scales and shifts into the weights around them";
  let description = [{
    y = gamma * (conv(x) - mean) / sqrt(var + epsilon) + beta is a convolution with scaled weights and another bias; so is
    any product or sum with a scalar or a constant per channel, after a convolution, transposed convolution or matmul, and
    before a convolution or matmul (sums only without padding). Only where the op has no other use: otherwise its work would
    be doubled. A batch norm without such a neighbour becomes mul and add. Weights arithmetic is spelt as nn ops on
    constants, which nn-fold-constants evaluates.
    Before:  %c = nn.conv %x, %w …    %y = nn.batch_norm %c, %gamma, %beta, %mean, %var …
    After:   %a = … gamma / sqrt(var + epsilon)   %y = nn.conv %x, (%w * %a) bias (%beta - %mean * %a) …
  }];
  let statistics = [Statistic<"folded", "folded", "batch norms, scales and shifts folded">];
}

def ConvTransposeToConv : GraphPass<"nn-conv-transpose-to-conv"> {
  let summary = "Make strided transposed convolutions a convolution and depth_to_space";
  let description = [{
    At stride s every output is one of s x s phases of a convolution of the input with ceil(R / s) taps an axis: convolutions have fast kernels,
    and no tap meets a zero that was put between pixels.
    Before:  %y = nn.conv_transpose %x, %w {strides = [2, 2]} : tensor<1x8x4x4xf32>, tensor<8x3x2x2xf32> …
    After:   %0 = nn.conv %x, %w' : tensor<1x8x4x4xf32>, tensor<12x8x1x1xf32> …   %y = nn.depth_to_space %0 {block = 2} …
  }];
}

def ChannelsLast : GraphPass<"nn-channels-last"> {
  let summary = "Give convolutions, pools, resizes and pixel shuffles channels-last activations";
  let description = [{
    Every such layer gets a transpose before and after it; nn-sink-transposes makes them meet.
    Before:  %y = nn.conv %x, %w : tensor<1x8x4x4xf32> …
    After:   %0 = nn.transpose %x {perm = [0, 2, 3, 1]}   %1 = nn.conv %0, %w {layout = channels_last} : tensor<1x4x4x8xf32> …
             %y = nn.transpose %1 {perm = [0, 3, 1, 2]}
  }];
  let statistics = [Statistic<"assigned", "assigned", "layers laid out channels-last">];
}

def SinkTransposes : GraphPass<"nn-sink-transposes"> {
  let summary = "Move transposes towards the results until they cancel";
  let description = [{
    Through elementwise ops (constants are transposed at compile time), concat, slice, pad, reduce, softmax, norms and those
    reshapes that keep groups of axes together; into the flags of matmul. Includes nn-simplify-views.
    Before:  %0 = nn.transpose %x {perm = [0, 3, 1, 2]}   %1 = nn.relu %0   %2 = nn.transpose %1 {perm = [0, 2, 3, 1]}
    After:   %2 = nn.relu %x
  }];
  let statistics = [Statistic<"removed", "removed", "transposes that went">];
}

def MergeMatMuls : GraphPass<"nn-merge-matmuls"> {
  let summary = "Make matrix products that share their input one";
  let description = [{
    Query, key and value projections: one product with concatenated weights, whose parts are read as slices in place. Only
    where every reader can do that.
    Before:  %q = nn.matmul %x, %wq   %k = nn.matmul %x, %wk   %v = nn.matmul %x, %wv
    After:   %0 = nn.matmul %x, (nn.concat %wq, %wk, %wv)   %q = nn.slice %0 …   %k = nn.slice %0 …   %v = nn.slice %0 …
  }];
  let statistics = [Statistic<"merged", "merged", "products merged into another">];
}

def MergeConvs : GraphPass<"nn-merge-convs"> {
  let summary = "Make convolutions that share their input one";
  let description = [{
    Branches that begin with convolutions of one form and the same activation, where what follows are convolutions, which read slices of the channels
    in place. For machines where a kernel more costs as much as what it computes.
    Before:  %a = nn.silu (nn.conv %x, %wa)   %b = nn.silu (nn.conv %x, %wb)
    After:   %0 = nn.silu (nn.conv %x, (nn.concat %wa, %wb))   %a = nn.slice %0 …   %b = nn.slice %0 …
  }];
  let statistics = [Statistic<"merged", "merged", "convolutions merged into another">];
}

def DropMasks : GraphPass<"nn-drop-masks"> {
  let summary = "Attend without masks that hide nothing";
  let description = [{
    Exported networks add a mask of padding; without padding, constants alone determine it, and it is all zeros.
    Before:  nn.attention %q, %k, %v mask (dense<0.0> : tensor<1x1x8x8xf32>)
    After:   nn.attention %q, %k, %v
  }];
  let statistics = [Statistic<"dropped", "dropped", "masks that hide nothing">];
}

def DropUnreadRows : GraphPass<"nn-drop-unread-rows"> {
  let summary = "Compute of products and attention what is read";
  let description = [{
    A slice of what a product, attention or ops behind them compute, of which nothing else is read, becomes one of their operands. A vision
    transformer whose head reads the class token alone computes one row of an image in its last layer, behind keys and values.
    Before:  %y = nn.matmul %x, %w : tensor<1x197x768xf16>, …   %z = nn.layer_norm %y …   %r = nn.slice %z {sizes = [1, 1, 768], …}
    After:   %s = nn.slice %x {sizes = [1, 1, 768], …}   %y = nn.matmul %s, %w : tensor<1x1x768xf16>, …   %r = nn.layer_norm %y …
  }];
}

def TokensIntoProducts : GraphPass<"nn-tokens-into-products"> {
  let summary = "Let the product of patches write the tokens beside them";
  let description = [{
    Constant rows before or behind those of a product, a class token, and a constant that is added to all of them, positions: the product has rows of zeros
    for the first, and adds both as one constant.
    Before:  %y = nn.matmul %x, %w bias %b : tensor<1x196x768xf16>, …   %t = nn.concat %token, %y {axis = 1}   %r = nn.add %t, %positions
    After:   %p = nn.pad %x {low = [0, 1, 0], …}   %c = (%token, %b below) + %positions   %r = nn.add (nn.matmul %p, %w), %c
  }];
  let statistics = [Statistic<"joined", "joined", "products that write tokens">];
}

def SplitReductions : GraphPass<"nn-split-reductions"> {
  let summary = "Let many blocks of a GPU share a reduction of very many elements";
  let description = [{
    Along the last axes, of 2^19 elements or more, where there are few: parts of equal length are reduced, then what they give, in f32. The order is the same
    in every run. A cluster of blocks reads from as many multiprocessors alone as it has blocks.
    Before:  %y = nn.reduce %x {kind = mean, axes = [0, 1]} : tensor<4096x1024xf16> -> tensor<f16>
    After:   %p = nn.reduce (nn.cast (nn.reshape %x) to f32) {kind = mean, axes = [2]} : tensor<1x1024x4096xf32> -> tensor<1x1024xf32>
             %y = nn.cast (nn.reduce %p {kind = mean, axes = [1]}) to f16
  }];
  let statistics = [Statistic<"split", "split", "reductions split">];
}

def NormsIntoProducts : GraphPass<"nn-norms-into-products"> {
  let summary = "Let the products around a layer norm compute it";
  let description = [{
    For targets whose kernels of products give and take sums of rows. A norm of a half type between products with constant matrices: the product
    before sums up 32 elements of its rows at a time, the one after multiplies by scaled weights what is not normalized yet and corrects its
    result; an addition to another product normalizes its operand itself. Norms with other readers, or of less than that, stay.
    Before:  %n = nn.layer_norm %x scale %g bias %b …   %y = nn.matmul %n, %w bias %c …
    After:   %s = nn.reduce (parts of %x as f32) {sum}   %q = … {sum_square}   rstd, shift = … of %s, %q
             %y = nn.cast (rstd * (nn.matmul %x, %w') - shift * (column sums of %w') + %c') {to = f16} …
  }];
  let statistics = [Statistic<"folded", "folded", "norms computed by products">];
}

def MeansIntoDepthwise : GraphPass<"nn-means-into-depthwise"> {
  let summary = "Let the depthwise convolution before a mean over all pixels sum up its rows";
  let description = [{
    For targets whose kernels of depthwise convolutions give sums of rows of pixels: a mean of what such a convolution ends with, as squeeze-and-excitation
    begins, becomes one of those sums, and its kernel does not read the pixels again. Only where rows are no longer than a block of threads.
    Before:  %x = nn.silu (nn.conv … {groups = 96})   %m = nn.reduce %x {axes = [1, 2], keep_dims, mean}
    After:   %r = nn.reduce (nn.cast %x {to = f32}) {axes = [2], keep_dims, sum}   %m = nn.cast ((nn.reduce %r {axes = [1], keep_dims, sum}) * 1/pixels)
  }];
  let statistics = [Statistic<"taken", "taken", "means of sums that a convolution gives">];
}

def JoinAddedConvs : GraphPass<"nn-join-added-convs"> {
  let summary = "Make the sum of two 1x1 convolutions one over both inputs' channels";
  let description = [{
    For targets whose kernels of products read two operands side by side: the shortcut of a residual block that a convolution brings to size. The
    concat is marked, so that it belongs to the kernel; a stride becomes a slice, which the kernel reads in place.
    Before:  %s = nn.add (nn.conv %x, %w bias %b), (nn.conv %y, %v bias %c {strides = [2, 2]})
    After:   %s = nn.conv (nn.concat %x, (nn.slice %y)), (nn.concat %w, %v) bias (nn.add %b, %c)
  }];
  let statistics = [Statistic<"joined", "joined", "sums of convolutions that became one">];
}

def UpsampleIntoProducts : GraphPass<"nn-upsample-into-products"> {
  let summary = "Let 1x1 convolutions read the small image of one that repeats its pixels";
  let description = [{
    For targets whose kernels of products read two operands side by side, one of which may repeat its rows: where a feature pyramid makes an image larger
    for a convolution that reads it beside another one. The large image is never written.
    Before:  %y = nn.conv (nn.concat (nn.resize %x {nearest, twice as large}), %z), %w bias %b : … tensor<1x80x80x192xf16>
    After:   %p = nn.matmul (nn.concat (nn.expand (nn.reshape %x)), (nn.reshape %z)), %w bias %b : tensor<1x40x2x40x2x192xf16> …
             %y = nn.reshape %p
  }];
  let statistics = [Statistic<"taken", "taken", "convolutions that read a small image">];
}

def PatchesIntoProducts : GraphPass<"nn-patches-into-products"> {
  let summary = "Make convolutions of patches that lie side by side products";
  let description = [{
    Vision transformers cut an image of few channels into patches with a convolution that strides as far as its filter is wide. A product of rows of
    patches reads whole vectors where the convolution would gather element by element.
    Before:  %y = nn.conv (nn.transpose %image), %w bias %b {strides = [16, 16]} : … tensor<1x224x224x3xf16>, tensor<768x3x16x16xf16>
    After:   %p = nn.reshape (nn.transpose (nn.reshape %image))   %y = nn.reshape (nn.matmul %p, (nn.reshape %w) bias %b {transpose_rhs})
  }];
  let statistics = [Statistic<"replaced", "replaced", "convolutions that became products">];
}

def JoinGroups : GraphPass<"nn-join-groups"> {
  let summary = "Make groups of convolutions wide enough for matrix units";
  let description = [{
    A fragment of a product has 16 columns: groups of other numbers of channels are joined, as few as give both sides multiples of 16, whose weights lie on
    a block diagonal. Most of what is multiplied then is zeros; joining up to eight groups does eight times the work, of which matrix units do sixteen times
    as much as cores.
    Before:  %y = nn.conv %x, %w {groups = 8} : tensor<1x28x28x64xf16>, tensor<64x8x3x3xf16> …
    After:   %y = nn.conv %x, %v {groups = 4} : tensor<1x28x28x64xf16>, tensor<64x16x3x3xf16> …, each filter of %v eight channels of %w and eight zeros
  }];
  let statistics = [Statistic<"joined", "joined", "convolutions whose groups became fewer">];
}

def LSTMsIntoProducts : GraphPass<"nn-lstms-into-products"> {
  let summary = "Compute the products of an LSTM's inputs for all steps at once";
  let description = [{
    For GPUs, where a product of many rows is spread over all multiprocessors and what is left of a step is the product of the state.
    Before:  %s, %h, %c = nn.lstm %x, %w, %r bias(%b) …
    After:   %g = nn.reshape (nn.add (nn.matmul (nn.reshape %x), (nn.reshape %w) {transpose_rhs}), %both)
             %s, %h, %c = nn.recurrence %g, (nn.transpose %r) {cell = #nn.cell<lstm>, activations = ["Sigmoid", "Tanh", "Tanh"], …}
  }];
  let statistics = [Statistic<"replaced", "replaced", "LSTMs whose inputs are multiplied at once">];
}

def FlushTinyWeights : GraphPass<"nn-flush-tiny-weights"> {
  let summary = "Set weights to zero that are too small to matter";
  let description = [{
    Dead channels of trained networks hold weights and biases whose products are subnormal; on many CPUs each of them takes some hundred
    cycles. Operands of convolutions and matrix products that are subnormal, or below 2^-100 of the tensor's largest, become zero.
    Before:  nn.conv %x, (dense<[[[[1.0]], [[1.0e-40]]]]>)
    After:   nn.conv %x, (dense<[[[[1.0]], [[0.0]]]]>)
  }];
  let statistics = [Statistic<"flushed", "flushed", "weights set to zero">];
}

def HoistTransposes : GraphPass<"nn-hoist-transposes"> {
  let summary = "Move transposes that are left before the concat or pad they follow";
  let description = [{
    Both copy anyway: they read their operands through the transpose. What is left moves no axes of size 1 (a reshape
    follows it), so that [1, heads, rows, columns] is transposed in one form only.
    Before:  %0 = nn.concat %a, %b {axis = 1}   %1 = nn.transpose %0 {perm = [0, 2, 3, 1]}
    After:   %0 = nn.transpose %a …   %1 = nn.transpose %b …   %2 = nn.concat %0, %1 {axis = 3}
  }];
}
#endif
