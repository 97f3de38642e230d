// Order: the best elements of an axis.
#ifndef TENON_NN_SELECTION
#define TENON_NN_SELECTION
include "dialects/nn/NNBase.td"

def NN_TopKOp : NN_Op<"top_k"> {
  let summary = "the `k` largest (or smallest) elements along `axis`, sorted, and their positions";
  let description = [{
    Results: the values, best first, and their positions as i64. Among equal elements the one at the lower position is first. `k` has one
    entry and is at most the axis's size. NaN is in no order.

    ```mlir
    %values, %positions = nn.top_k %scores {k = #nn.dims<[5]>, axis = 1 : i64} : tensor<1x1000xf32> -> tensor<1x5xf32>, tensor<1x5xi64>
    ```
    ONNX: TopK.
  }];
  let arguments = (ins NN_Tensor:$input, NN_DimsAttr:$k, I64Attr:$axis, UnitAttr:$smallest);
  let results = (outs NN_Tensor:$values, NN_Tensor:$positions);
  let assemblyFormat = "$input attr-dict `:` type($input) `->` type(results)";
}
#endif
