// Sizes that only a run knows: the ops that define them, and those whose result has such a size.
#ifndef TENON_NN_RUN_TIME
#define TENON_NN_RUN_TIME
include "dialects/nn/NNBase.td"

def NN_ReadSizesOp : Op<NN_Dialect, "read_sizes", [MemoryEffects<[MemWrite]>]> {
  let summary = "the elements of an integer tensor become the values of symbols";
  let description = [{
    Element i, in row-major order, is from here on the value of `symbols[i]`; the run fails where it is negative. A symbol is defined once, and
    before everything that uses it: later passes keep that order (`nn::SizeDefinitions`). Everything behind a computed shape is thereby ordinary
    arithmetic of sizes. Of an f32 it is the bits that become the value, for attributes that are numbers (`nn.resize`).

    ```mlir
    nn.read_sizes %shape -> ["/Reshape.size0", "/Reshape.size1"] : tensor<2xi64>
    %y = nn.reshape %x {dims = #nn.dims<["/Reshape.size0", "/Reshape.size1"]>}
       : tensor<?xf32, #nn.dims<[n]>> -> tensor<?x?xf32, #nn.dims<["/Reshape.size0", "/Reshape.size1"]>>
    ```
  }];
  let arguments = (ins NN_Tensor:$input, StrArrayAttr:$symbols);
  let assemblyFormat = "$input `->` $symbols attr-dict `:` type($input)";
  let hasVerifier = 1;
}

def NN_RequireOp : Op<NN_Dialect, "require", [MemoryEffects<[MemWrite]>]> {
  let summary = "the run fails unless two sizes are equal, or the first is at most the second";
  let description = [{
    `what` completes the message: "node '/Reshape': the elements of the input: found 12, expected 10".

    ```mlir
    nn.require #nn.expr<n>, #nn.expr<2 * "/Reshape.size0">, "the elements of the input"
    ```
  }];
  let arguments = (ins NN_ExprAttr:$left, NN_ExprAttr:$right, StrAttr:$what, UnitAttr:$at_most);
  let assemblyFormat = "qualified($left) `,` qualified($right) `,` $what attr-dict";
}

def NN_NonZeroOp : NN_Op<"nonzero"> {
  let summary = "the coordinates of the elements that are not zero, in row-major order";
  let description = [{
    result[a, i] is the coordinate along axis a of the i-th such element. `count` is how many there are.

    ```mlir
    %at = nn.nonzero %mask {count = #nn.expr<"/NonZero.count">}
        : tensor<4x8xi1> -> tensor<2x?xi64, #nn.dims<[2, "/NonZero.count"]>>
    ```
    ONNX: NonZero; part of Compress, Unique, NonMaxSuppression.
  }];
  let arguments = (ins NN_Tensor:$input, NN_ExprAttr:$count);
  let results = (outs NN_Tensor:$result);
  let assemblyFormat = "$input attr-dict `:` type($input) `->` type($result)";
}

def NN_SortIndicesOp : NN_Op<"sort_indices"> {
  let summary = "the order in which vectors are sorted";
  let description = [{
    `input` is [batch, n, m]: order[b, i] is the position of the vector input[b, ., :] that comes i-th when they are sorted by their elements, the
    first one first; equal vectors stay in their order, NaN is larger than everything. `scratch` is memory for the sort (merging takes twice the room).

    ```mlir
    %order, %scratch = nn.sort_indices %scores {descending} : tensor<8x100x1xf32> -> tensor<8x100xi64>, tensor<8x100xi64>
    ```
    ONNX: part of TopK, Unique, NonMaxSuppression.
  }];
  let arguments = (ins NN_Tensor:$input, UnitAttr:$descending);
  let results = (outs NN_Tensor:$order, NN_Tensor:$scratch);
  let assemblyFormat = "$input attr-dict `:` type($input) `->` type($order) `,` type($scratch)";
}

def NN_SuppressOp : NN_Op<"suppress"> {
  let summary = "non-maximum suppression: which boxes stay, best first";
  let description = [{
    For every image b and class c, the boxes in the order `order`[b, c, .] of falling scores: one stays if its score is above `score`, fewer than `limit` of
    its class have stayed, and its overlap (intersection over union) with each of those is at most `iou`. `keep`[b, c, i] says so of the i-th in that
    order. Boxes are two opposite corners [y, x, y, x], or centre and size [x, y, width, height] with `centers`. `scratch` is memory for the list of those that stayed.

    ```mlir
    %keep, %list = nn.suppress %boxes, %scores, %order, %limit, %iou, %score
      : (tensor<1x6x4xf32>, tensor<1x2x6xf32>, tensor<1x2x6xi64>, tensor<i64>, tensor<f32>, tensor<f32>) -> (tensor<1x2x6xi1>, tensor<1x2x6xi64>)
    ```
    ONNX: part of NonMaxSuppression.
  }];
  let arguments = (ins NN_Tensor:$boxes, NN_Tensor:$scores, NN_Tensor:$order, NN_Tensor:$limit, NN_Tensor:$iou, NN_Tensor:$score, UnitAttr:$centers);
  let results = (outs NN_Tensor:$keep, NN_Tensor:$scratch);
  let assemblyFormat = "operands attr-dict `:` functional-type(operands, results)";
}
#endif
