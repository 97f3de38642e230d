// Windows whose results are positions.
#ifndef TENON_NN_WINDOWS
#define TENON_NN_WINDOWS
include "dialects/nn/NNBase.td"

def NN_ArgPoolOp : NN_Op<"arg_pool"> {
  let summary = "where the largest element of each window of the spatial axes lies in the input, as i64";
  let description = [{
    The windows of nn.pool with kind max on [N, C, Y...]. A result is the position of the window's first largest element among all elements
    of the input, in row-major order; with `column_major` the spatial axes of an image run the other way.

    ```mlir
    %i = nn.arg_pool %x {window = array<i64: 2, 2>, strides = array<i64: 2, 2>, pads = array<i64: 0, 0, 0, 0>,
                         dilations = array<i64: 1, 1>} : tensor<1x1x4x4xf32> -> tensor<1x1x2x2xi64>
    ```
    ONNX: MaxPool (Indices).
  }];
  let arguments = (ins NN_Tensor:$input, DenseI64ArrayAttr:$window, DenseI64ArrayAttr:$strides, DenseI64ArrayAttr:$pads,
    DenseI64ArrayAttr:$dilations, UnitAttr:$ceil_mode, UnitAttr:$column_major);
  let results = (outs NN_Tensor:$result);
  let assemblyFormat = "$input attr-dict `:` type($input) `->` type($result)";
}
#endif
