// Layers: contractions, pooling, reductions, normalization, attention, recurrence.
#ifndef TENON_NN_LAYERS
#define TENON_NN_LAYERS
include "dialects/nn/NNBase.td"

def NN_MatMulOp : NN_Op<"matmul"> {
  let summary = "matrix product over the last two axes, leading axes broadcast; an optional bias is added";
  let description = [{
    result[b..., i, j] = bias[j] + sum over k of lhs[b..., i, k] * rhs[b..., k, j]; `transpose_lhs` reads lhs[b..., k, i],
    `transpose_rhs` reads rhs[b..., j, k]. Both operands have rank >= 2. Sums of 8-bit integers, each operand signed or not, are i32.

    ```mlir
    %y = nn.matmul %x, %w bias %b {transpose_rhs} : tensor<?x128xf32, #nn.dims<[n, 128]>>, tensor<10x128xf32>, tensor<10xf32>
       -> tensor<?x10xf32, #nn.dims<[n, 10]>>
    ```
    ONNX: MatMul, Gemm, FusedMatMul.
  }];
  let arguments = (ins NN_Tensor:$lhs, NN_Tensor:$rhs, NN_OptionalTensor:$bias, UnitAttr:$transpose_lhs, UnitAttr:$transpose_rhs);
  let results = (outs NN_Tensor:$result);
  let assemblyFormat = "$lhs `,` $rhs (`bias` $bias^)? attr-dict `:` type($lhs) `,` type($rhs) (`,` type($bias)^)? `->` type($result)";
}

class NN_ConvBase<string mnemonic> : NN_Op<mnemonic> {
  let results = (outs NN_Tensor:$result);
  let assemblyFormat = "$input `,` $weight (`bias` $bias^)? attr-dict `:` type($input) `,` type($weight) (`,` type($bias)^)? `->` type($result)";
}
def NN_ConvOp : NN_ConvBase<"conv"> {
  let summary = "N-dimensional convolution, grouped, padded, dilated";
  let description = [{
    out[n, k, y...] = bias[k] + sum over c, r of in[n, g*C/G + c, y*stride + r*dilation - pad] * weight[k, c, r...]
    where g = k / (K/G). Taps outside the input contribute zero. `weight` is [K, C/G, R...] in either layout; `pads`
    holds all low pads, then all high pads. The spatial rank is 1, 2 or 3. With layout = channels_last the input is
    [N, Y..., C] and the result [N, Y..., K]. Sums of 8-bit integers, each operand signed or not, are i32.

    ```mlir
    // A strided 3x3 convolution of a batch whose size is free.
    %y = nn.conv %x, %w bias %b {strides = array<i64: 2, 2>, pads = array<i64: 1, 1, 1, 1>, dilations = array<i64: 1, 1>}
       : tensor<?x64x56x56xf32, #nn.dims<[batch, 64, 56, 56]>>, tensor<128x64x3x3xf32>, tensor<128xf32>
       -> tensor<?x128x28x28xf32, #nn.dims<[batch, 128, 28, 28]>>
    ```
    ONNX: Conv, ConvInteger and QLinearConv (with quantized types), FusedConv.
  }];
  let arguments = (ins NN_Tensor:$input, NN_Tensor:$weight, NN_OptionalTensor:$bias, DenseI64ArrayAttr:$strides,
    DenseI64ArrayAttr:$pads, DenseI64ArrayAttr:$dilations, DefaultValuedAttr<I64Attr, "1">:$groups,
    DefaultValuedAttr<NN_Layout, "Layout::ChannelsFirst">:$layout);
}
def NN_ConvTransposeOp : NN_ConvBase<"conv_transpose"> {
  let summary = "the transpose (gradient) of a convolution";
  let description = [{
    out[n, k, y*stride + r*dilation - pad] accumulates in[n, c, y] * weight[c, k, r...], within a group as in nn.conv. `weight` is
    [C, K/G, R...]. out size = (in - 1) * stride + (R - 1) * dilation + 1 + output_padding - pads.

    ```mlir
    %y = nn.conv_transpose %x, %w {strides = array<i64: 2, 2>, pads = array<i64: 1, 1, 1, 1>, dilations = array<i64: 1, 1>,
                                   output_padding = array<i64: 0, 0>}
       : tensor<1x8x16x16xf32>, tensor<8x4x4x4xf32> -> tensor<1x4x32x32xf32>
    ```
    ONNX: ConvTranspose.
  }];
  let arguments = (ins NN_Tensor:$input, NN_Tensor:$weight, NN_OptionalTensor:$bias, DenseI64ArrayAttr:$strides,
    DenseI64ArrayAttr:$pads, DenseI64ArrayAttr:$dilations, DenseI64ArrayAttr:$output_padding,
    DefaultValuedAttr<I64Attr, "1">:$groups, DefaultValuedAttr<NN_Layout, "Layout::ChannelsFirst">:$layout);
}
def NN_PoolOp : NN_Op<"pool"> {
  let summary = "windows of the spatial axes reduced by max, mean or an L_p norm";
  let description = [{
    A window that reaches outside takes only what is inside; `count_include_pad` divides a mean by the window's part within the padded input
    all the same. `lp` is (sum of |x|^p)^(1/p). With `ceil_mode` the last window may end outside, if it starts inside the input or its low
    pad. Pads are smaller than the window.

    ```mlir
    %y = nn.pool %x {kind = #nn.pool_kind<max>, window = array<i64: 3, 3>, strides = array<i64: 2, 2>, pads = array<i64: 1, 1, 1, 1>,
                     dilations = array<i64: 1, 1>} : tensor<1x64x112x112xf32> -> tensor<1x64x56x56xf32>
    ```
    ONNX: MaxPool (values), AveragePool, LpPool. Global pooling is nn.reduce.
  }];
  let arguments = (ins NN_Tensor:$input, NN_PoolKind:$kind, DenseI64ArrayAttr:$window, DenseI64ArrayAttr:$strides,
    DenseI64ArrayAttr:$pads, DenseI64ArrayAttr:$dilations, UnitAttr:$ceil_mode, UnitAttr:$count_include_pad,
    DefaultValuedAttr<I64Attr, "2">:$p, DefaultValuedAttr<NN_Layout, "Layout::ChannelsFirst">:$layout);
  let results = (outs NN_Tensor:$result);
  let assemblyFormat = "$input attr-dict `:` type($input) `->` type($result)";
}
class NN_AxisOp<string mnemonic> : NN_Op<mnemonic> {
  let results = (outs NN_Tensor:$result);
  let assemblyFormat = "$input attr-dict `:` type($input) `->` type($result)";
}
def NN_ReduceOp : NN_AxisOp<"reduce"> {
  let summary = "a reduction over `axes`";
  let description = [{
    `axes` lists every reduced axis once; none leaves the shape as it is. `keep_dims` keeps them with size 1. Of no elements: sum 0, prod 1,
    max -inf (or the smallest integer), min inf. log_sum_exp is computed without overflow.

    ```mlir
    %y = nn.reduce %x {kind = #nn.reduce_kind<mean>, axes = array<i64: 2, 3>, keep_dims} : tensor<1x64x7x7xf32> -> tensor<1x64x1x1xf32>
    ```
    ONNX: ReduceSum, ReduceMean, ReduceMax, ReduceMin, ReduceProd, ReduceSumSquare, ReduceL1, ReduceL2, ReduceLogSum, ReduceLogSumExp,
    GlobalAveragePool, GlobalMaxPool.
  }];
  let arguments = (ins NN_Tensor:$input, NN_ReduceKind:$kind, DenseI64ArrayAttr:$axes, UnitAttr:$keep_dims);
  let hasFolder = 1;
}
def NN_ArgReduceOp : NN_AxisOp<"arg_reduce"> {
  let summary = "the index of the largest (or smallest) element along `axis`, as i64";
  let description = [{
    Among equal elements the first, or the last with `select_last`.

    ```mlir
    %class = nn.arg_reduce %scores {axis = 1 : i64} : tensor<1x1000xf32> -> tensor<1xi64>
    ```
    ONNX: ArgMax, ArgMin.
  }];
  let arguments = (ins NN_Tensor:$input, I64Attr:$axis, UnitAttr:$minimum, UnitAttr:$keep_dims, UnitAttr:$select_last);
}
def NN_SoftmaxOp : NN_AxisOp<"softmax"> {
  let summary = "e^x / sum of e^x along `axis` (or its logarithm)";
  let description = [{
    Computed from x - max x, so nothing overflows.

    ```mlir
    %p = nn.softmax %x {axis = 1 : i64} : tensor<1x1000xf32> -> tensor<1x1000xf32>
    ```
    ONNX: Softmax, LogSoftmax. Opset < 13 softmax over several axes is imported as reshape, softmax, reshape.
  }];
  let arguments = (ins NN_Tensor:$input, I64Attr:$axis, UnitAttr:$logarithm);
}
def NN_CumSumOp : NN_AxisOp<"cumsum"> {
  let summary = "running sums along `axis`, or products";
  let description = [{
    `exclusive` leaves the element itself out; `reverse` runs from the end; `product` multiplies.

    ```mlir
    %y = nn.cumsum %x {axis = 0 : i64} : tensor<4xi64> -> tensor<4xi64>  // [1, 2, 3, 4] -> [1, 3, 6, 10]
    ```
    ONNX: CumSum, CumProd.
  }];
  let arguments = (ins NN_Tensor:$input, I64Attr:$axis, UnitAttr:$exclusive, UnitAttr:$reverse, UnitAttr:$product);
}
def NN_BatchNormOp : NN_Op<"batch_norm"> {
  let summary = "inference batch normalization over axis 1: scale * (x - mean) / sqrt(variance + epsilon) + bias";
  let description = [{
    ```mlir
    %y = nn.batch_norm %x, %scale, %bias, %mean, %variance {epsilon = 1.0e-5 : f64}
       : (tensor<1x8x4x4xf32>, tensor<8xf32>, tensor<8xf32>, tensor<8xf32>, tensor<8xf32>) -> tensor<1x8x4x4xf32>
    ```
    ONNX: BatchNormalization (inference).
  }];
  let arguments = (ins NN_Tensor:$input, NN_Tensor:$scale, NN_Tensor:$bias, NN_Tensor:$mean, NN_Tensor:$variance, F64Attr:$epsilon);
  let results = (outs NN_Tensor:$result);
  let assemblyFormat = "$input `,` $scale `,` $bias `,` $mean `,` $variance attr-dict `:` functional-type(operands, $result)";
}
class NN_NormOp<string mnemonic> : NN_Op<mnemonic, [AttrSizedOperandSegments]> {
  let arguments = (ins NN_Tensor:$input, NN_OptionalTensor:$scale, NN_OptionalTensor:$bias, I64Attr:$axis, F64Attr:$epsilon);
  let results = (outs NN_Tensor:$result);
  let assemblyFormat = "$input (`scale` $scale^ `:` type($scale))? (`bias` $bias^ `:` type($bias))? attr-dict `:` type($input) `->` type($result)";
}
def NN_LayerNormOp : NN_NormOp<"layer_norm"> {
  let summary = "(x - mean) / sqrt(variance + epsilon) * scale + bias, statistics over the axes from `axis` on";
  let description = [{
    `scale` and `bias` broadcast to the normalized axes.

    ```mlir
    %y = nn.layer_norm %x scale %g : tensor<768xf32> bias %b : tensor<768xf32> {axis = 2 : i64, epsilon = 1.0e-12 : f64}
       : tensor<1x128x768xf32> -> tensor<1x128x768xf32>
    ```
    ONNX: LayerNormalization, SkipLayerNormalization; recomposed.
  }];
}
def NN_RMSNormOp : NN_NormOp<"rms_norm"> {
  let summary = "x / sqrt(mean of x^2 + epsilon) * scale, statistics over the axes from `axis` on";
  let description = [{
    `bias` is added where it is given.

    ```mlir
    %y = nn.rms_norm %x scale %g : tensor<64xf32> {axis = 1 : i64, epsilon = 1.0e-6 : f64} : tensor<8x64xf32> -> tensor<8x64xf32>
    ```
    ONNX: RMSNormalization, SimplifiedLayerNormalization; recomposed.
  }];
}
def NN_GroupNormOp : NN_Op<"group_norm"> {
  let summary = "normalization of each of `groups` groups of channels (axis 1) over itself and the spatial axes";
  let description = [{
    `scale` and `bias` have one entry a channel.

    ```mlir
    %y = nn.group_norm %x, %scale, %bias {groups = 2 : i64, epsilon = 1.0e-5 : f64}
       : (tensor<1x8x4x4xf32>, tensor<8xf32>, tensor<8xf32>) -> tensor<1x8x4x4xf32>
    ```
    ONNX: GroupNormalization; InstanceNormalization has groups = channels.
  }];
  let arguments = (ins NN_Tensor:$input, NN_Tensor:$scale, NN_Tensor:$bias, I64Attr:$groups, F64Attr:$epsilon);
  let results = (outs NN_Tensor:$result);
  let assemblyFormat = "$input `,` $scale `,` $bias attr-dict `:` functional-type(operands, $result)";
}
def NN_LRNOp : NN_AxisOp<"lrn"> {
  let summary = "local response normalization: x / (bias + alpha / size * sum of x^2 over a window of channels)^beta";
  let description = [{
    The window of channel c (axis 1) is [c - floor((size - 1) / 2), c + ceil((size - 1) / 2)], cut at the ends.

    ```mlir
    %y = nn.lrn %x {size = 5 : i64, alpha = 1.0e-4 : f64, beta = 0.75 : f64, bias = 1.0 : f64} : tensor<1x8x4x4xf32> -> tensor<1x8x4x4xf32>
    ```
    ONNX: LRN.
  }];
  let arguments = (ins NN_Tensor:$input, I64Attr:$size, F64Attr:$alpha, F64Attr:$beta, F64Attr:$bias);
}
def NN_AttentionOp : NN_Op<"attention"> {
  let summary = "softmax(scale * query key^T + mask) value, for each batch and head";
  let description = [{
    query [B, H, S, D], key [B, Hk, T, D], value [B, Hk, T, E], mask broadcast to [B, H, S, T] (added; a boolean mask
    keeps where true); result [B, H, S, E]. H is a multiple of Hk (grouped queries). With `causal`, position i sees
    j <= i + T - S. A row whose every score is -inf gives zeros with `safe`, NaN without.

    ```mlir
    %y = nn.attention %q, %k, %v mask %m : tensor<1x1x128x128xf32> {scale = 0.125 : f64}
       : tensor<1x12x128x64xf32>, tensor<1x12x128x64xf32>, tensor<1x12x128x64xf32> -> tensor<1x12x128x64xf32>
    ```
    Recomposed from matmul, scale, mask, softmax, matmul; ONNX: Attention.
  }];
  let arguments = (ins NN_Tensor:$query, NN_Tensor:$key, NN_Tensor:$value, NN_OptionalTensor:$mask, F64Attr:$scale, UnitAttr:$causal, UnitAttr:$safe);
  let results = (outs NN_Tensor:$result);
  let assemblyFormat = "$query `,` $key `,` $value (`mask` $mask^ `:` type($mask))? attr-dict `:` type($query) `,` type($key) `,` type($value) `->` type($result)";
}
def NN_LSTMOp : NN_Op<"lstm", [AttrSizedOperandSegments]> {
  let summary = "long short-term memory over a sequence";
  let description = [{
    input [T, B, I], weight [D, 4H, I], recurrence [D, 4H, H], bias [D, 8H] (input then recurrent), lengths [B] (i32: steps beyond them
    give zeros and leave h and c), initial_h and initial_c [D, B, H], peephole [D, 3H] (i, o, f); D is 2 for `bidirectional`, else 1.
    Gates in the order i, o, f, c, activations sigmoid, tanh, tanh:

        i = sigmoid(x Wi' + h Ri' + b + pi * c)   f = sigmoid(x Wf' + h Rf' + b + pf * c)   c' = f * c + i * tanh(x Wc' + h Rc' + b)
        o = sigmoid(x Wo' + h Ro' + b + po * c')  h' = o * tanh(c')

    Results: the sequence [T, D, B, H], the last h and the last c [D, B, H].

    ```mlir
    %seq, %h, %c = nn.lstm %x, %w, %r bias(%b : tensor<1x512xf32>) {hidden_size = 64 : i64, direction = #nn.direction<forward>}
       : tensor<?x1x16xf32, #nn.dims<[t, 1, 16]>>, tensor<1x256x16xf32>, tensor<1x256x64xf32>
       -> tensor<?x1x1x64xf32, #nn.dims<[t, 1, 1, 64]>>, tensor<1x1x64xf32>, tensor<1x1x64xf32>
    ```
    ONNX: LSTM.
  }];
  let arguments = (ins NN_Tensor:$input, NN_Tensor:$weight, NN_Tensor:$recurrence, NN_OptionalTensor:$bias, NN_OptionalTensor:$lengths,
    NN_OptionalTensor:$initial_h, NN_OptionalTensor:$initial_c, NN_OptionalTensor:$peephole, I64Attr:$hidden_size, NN_Direction:$direction);
  let assemblyFormat = [{ $input `,` $weight `,` $recurrence (`bias` `(` $bias^ `:` type($bias) `)`)? (`lengths` `(` $lengths^ `:` type($lengths) `)`)?
    (`initial_h` `(` $initial_h^ `:` type($initial_h) `)`)? (`initial_c` `(` $initial_c^ `:` type($initial_c) `)`)? (`peephole` `(` $peephole^ `:` type($peephole) `)`)?
    attr-dict `:` type($input) `,` type($weight) `,` type($recurrence) `->` type(results) }];
  let results = (outs NN_Tensor:$sequence, NN_Tensor:$last_h, NN_Tensor:$last_c);
}
#endif
