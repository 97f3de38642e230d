// Constants and data movement: shapes, views, gathers.
#ifndef TENON_NN_TENSOR
#define TENON_NN_TENSOR
include "dialects/nn/NNBase.td"

def NN_ConstantOp : NN_Op<"constant", [ConstantLike]> {
  let summary = "a tensor that is known: dense, a weight blob, or expressions of the input shapes";
  let description = [{
    `value` is `dense<…>`, `dense_resource<…>` (a blob over the mapped model file or the heap: never printed) or `#nn.dims<[…]>`: the
    elements, in row-major order, of an i32 or i64 tensor that is known once the input shapes are.

    ```mlir
    %scale = nn.constant dense<0.5> : tensor<f32>
    %w = nn.constant dense_resource<conv1.weight> : tensor<64x3x7x7xf32>
    %shape = nn.constant dims<[batch, 3, floordiv(h + 1, 2)]> : tensor<3xi64>
    ```
  }];
  let arguments = (ins AnyAttr:$value, TypeAttr:$type);
  let results = (outs NN_Tensor:$result);
  let builders = [OpBuilder<(ins "::mlir::Attribute":$value, "::mlir::RankedTensorType":$type)>,
                  OpBuilder<(ins "::mlir::ElementsAttr":$value)>];
  let hasCustomAssemblyFormat = 1; // nn.constant dense<1.0> : tensor<2xf32>   nn.constant dims<[batch, 3]> : tensor<2xi64>
  let hasFolder = 1;
}

def NN_ShapeOp : NN_Op<"shape"> {
  let summary = "the sizes [start, end) of the input's axes as an i64 vector; always folds to #nn.dims";
  let description = [{
    Negative bounds count from the end; then both are clamped to the rank.

    ```mlir
    %s = nn.shape %x {start = 1 : i64} : tensor<?x3x8xf32, #nn.dims<[n, 3, 8]>> -> tensor<2xi64>  // [3, 8]
    ```
    ONNX: Shape.
  }];
  let arguments = (ins NN_Tensor:$input, DefaultValuedAttr<I64Attr, "0">:$start, OptionalAttr<I64Attr>:$end);
  let results = (outs NN_Tensor:$result);
  let assemblyFormat = "$input attr-dict `:` type($input) `->` type($result)";
  let hasFolder = 1;
}

class NN_MoveOp<string mnemonic, list<Trait> traits = []> : NN_Op<mnemonic, traits> {
  let results = (outs NN_Tensor:$result);
  let assemblyFormat = "$input attr-dict `:` type($input) `->` type($result)";
  let hasFolder = 1;
}

def NN_ReshapeOp : NN_MoveOp<"reshape", [NN_ViewLike]> {
  let summary = "the same elements in row-major order under other dimensions";
  let description = [{
    `dims` is resolved: no 0 or -1 in it. Both shapes have the same number of elements.

    ```mlir
    %y = nn.reshape %x {dims = #nn.dims<[n, 12]>} : tensor<?x3x4xf32, #nn.dims<[n, 3, 4]>> -> tensor<?x12xf32, #nn.dims<[n, 12]>>
    ```
    ONNX: Reshape, Flatten, Squeeze, Unsqueeze.
  }];
  let arguments = (ins NN_Tensor:$input, NN_DimsAttr:$dims);
  let hasCanonicalizer = 1;
}
def NN_TransposeOp : NN_MoveOp<"transpose", [NN_ViewLike]> {
  let summary = "result axis i is input axis perm[i]";
  let description = [{
    ```mlir
    %y = nn.transpose %x {perm = array<i64: 0, 2, 3, 1>} : tensor<1x3x8x9xf32> -> tensor<1x8x9x3xf32>
    ```
    ONNX: Transpose.
  }];
  let arguments = (ins NN_Tensor:$input, DenseI64ArrayAttr:$perm);
  let hasCanonicalizer = 1;
}
def NN_ExpandOp : NN_MoveOp<"expand", [NN_ViewLike]> {
  let summary = "broadcast to `dims` (numpy rules, aligned at the last axis)";
  let description = [{
    `dims` is the result's shape. An axis whose size is an expression is copied or repeated as it turns out at run time.

    ```mlir
    %y = nn.expand %x {dims = #nn.dims<[n, 4]>} : tensor<1x4xf32> -> tensor<?x4xf32, #nn.dims<[n, 4]>>
    ```
    ONNX: Expand, ConstantOfShape.
  }];
  let arguments = (ins NN_Tensor:$input, NN_DimsAttr:$dims);
}
def NN_SliceOp : NN_MoveOp<"slice", [NN_ViewLike]> {
  let summary = "result[i...] = input[starts + i * steps ...]";
  let description = [{
    One entry per axis. `sizes` is the result's shape; starts and sizes are already clamped to the input. A negative step walks
    backwards from `starts`.

    ```mlir
    // The second half of the channels, rows reversed.
    %y = nn.slice %x {starts = #nn.dims<[0, 4, 7]>, sizes = #nn.dims<[1, 4, 8]>, steps = array<i64: 1, 1, -1>}
       : tensor<1x8x8xf32> -> tensor<1x4x8xf32>
    ```
    ONNX: Slice, Split (one slice a part).
  }];
  let arguments = (ins NN_Tensor:$input, NN_DimsAttr:$starts, NN_DimsAttr:$sizes, DenseI64ArrayAttr:$steps);
  let hasCanonicalizer = 1;
}
def NN_PadOp : NN_Op<"pad"> {
  let summary = "`low` and `high` extra elements on each side of every axis";
  let description = [{
    Negative amounts crop. Outside the input: mode `constant` gives `value` (a scalar; zero where absent), `edge` the nearest element,
    `reflect` the elements mirrored at the border one (which is not repeated), `wrap` the elements of the other end.

    ```mlir
    %y = nn.pad %x value %v {low = #nn.dims<[0, 1]>, high = #nn.dims<[0, 1]>} : tensor<2x3xf32>, tensor<f32> -> tensor<2x5xf32>
    ```
    ONNX: Pad.
  }];
  let arguments = (ins NN_Tensor:$input, NN_OptionalTensor:$value, NN_DimsAttr:$low, NN_DimsAttr:$high,
                       DefaultValuedAttr<NN_PadMode, "PadMode::Constant">:$mode);
  let results = (outs NN_Tensor:$result);
  let assemblyFormat = "$input (`value` $value^)? attr-dict `:` type($input) (`,` type($value)^)? `->` type($result)";
  let hasFolder = 1;
}
def NN_TileOp : NN_MoveOp<"tile"> {
  let summary = "the input repeated `repeats` times along each axis";
  let description = [{
    result[i...] = input[i mod size ...]

    ```mlir
    %y = nn.tile %x {repeats = #nn.dims<[2, n]>} : tensor<3x4xf32> -> tensor<6x?xf32, #nn.dims<[6, 4 * n]>>
    ```
    ONNX: Tile.
  }];
  let arguments = (ins NN_Tensor:$input, NN_DimsAttr:$repeats);
}
def NN_ConcatOp : NN_Op<"concat"> {
  let summary = "the inputs one after another along `axis`";
  let description = [{
    All other axes have the same size.

    ```mlir
    %y = nn.concat %a, %b {axis = 1 : i64} : tensor<1x2x8xf32>, tensor<1x3x8xf32> -> tensor<1x5x8xf32>
    ```
    ONNX: Concat.
  }];
  let arguments = (ins Variadic<NN_Tensor>:$inputs, I64Attr:$axis);
  let results = (outs NN_Tensor:$result);
  let assemblyFormat = "$inputs attr-dict `:` type($inputs) `->` type($result)";
  let hasFolder = 1;
  let hasCanonicalizer = 1;
}
class NN_IndexedOp<string mnemonic> : NN_Op<mnemonic> {
  let results = (outs NN_Tensor:$result);
  let assemblyFormat = "$input `,` $indices attr-dict `:` functional-type(operands, $result)";
}
def NN_GatherOp : NN_IndexedOp<"gather"> {
  let summary = "slices of `input` along `axis` at `indices`; a negative index counts from the end";
  let description = [{
    result[a..., i..., b...] = input[a..., indices[i...], b...]; a negative index counts from the end of the axis, an index outside it reads
    the nearest element.

    ```mlir
    %rows = nn.gather %table, %ids {axis = 0 : i64} : (tensor<30522x768xf32>, tensor<1x128xi64>) -> tensor<1x128x768xf32>
    ```
    ONNX: Gather.
  }];
  let arguments = (ins NN_Tensor:$input, NN_Tensor:$indices, I64Attr:$axis);
  let hasFolder = 1;
  let hasCanonicalizer = 1;
}
def NN_GatherElementsOp : NN_IndexedOp<"gather_elements"> {
  let summary = "result[i, j...] = input with coordinate `axis` replaced by indices[i, j...]";
  let description = [{
    Indices as in nn.gather; on the other axes `indices` is not longer than `input`.

    ```mlir
    %y = nn.gather_elements %x, %i {axis = 1 : i64} : (tensor<4x9xf32>, tensor<4x2xi64>) -> tensor<4x2xf32>
    ```
    ONNX: GatherElements.
  }];
  let arguments = (ins NN_Tensor:$input, NN_Tensor:$indices, I64Attr:$axis);
}
def NN_GatherNDOp : NN_IndexedOp<"gather_nd"> {
  let summary = "slices of `input` at the coordinate vectors in the last axis of `indices`";
  let description = [{
    result[b..., i..., s...] = input[b..., indices[b..., i..., 0], indices[b..., i..., 1], ..., s...], with the first `batch_dims` axes b
    shared by input and indices. Indices as in nn.gather.

    ```mlir
    // The elements of a matrix at 5 pairs of coordinates.
    %y = nn.gather_nd %x, %i : (tensor<8x9xf32>, tensor<5x2xi64>) -> tensor<5xf32>
    ```
    ONNX: GatherND.
  }];
  let arguments = (ins NN_Tensor:$input, NN_Tensor:$indices, DefaultValuedAttr<I64Attr, "0">:$batch_dims);
}
class NN_ScatterBase<string mnemonic> : NN_Op<mnemonic> {
  let results = (outs NN_Tensor:$result);
  let assemblyFormat = "$input `,` $indices `,` $updates attr-dict `:` functional-type(operands, $result)";
}
def NN_ScatterElementsOp : NN_ScatterBase<"scatter_elements"> {
  let summary = "a copy of `input` with `updates` written (or reduced into) where gather_elements would read";
  let description = [{
    `reduction` (sum, prod, max or min) combines an update with the element it meets, in any order; without it indices are distinct.
    Negative indices count from the end; an index outside the axis is taken as the nearest one inside.

    ```mlir
    %y = nn.scatter_elements %x, %i, %u {axis = 0 : i64} : (tensor<8xf32>, tensor<2xi64>, tensor<2xf32>) -> tensor<8xf32>
    ```
    ONNX: ScatterElements.
  }];
  let arguments = (ins NN_Tensor:$input, NN_Tensor:$indices, NN_Tensor:$updates, I64Attr:$axis, OptionalAttr<NN_ReduceKind>:$reduction);
}
def NN_ScatterNDOp : NN_ScatterBase<"scatter_nd"> {
  let summary = "a copy of `input` with `updates` written (or reduced into) where gather_nd would read";
  let description = [{
    `reduction` and indices as in nn.scatter_elements.

    ```mlir
    // Two rows of a matrix are replaced.
    %y = nn.scatter_nd %x, %i, %u : (tensor<8x4xf32>, tensor<2x1xi64>, tensor<2x4xf32>) -> tensor<8x4xf32>
    ```
    ONNX: ScatterND.
  }];
  let arguments = (ins NN_Tensor:$input, NN_Tensor:$indices, NN_Tensor:$updates, OptionalAttr<NN_ReduceKind>:$reduction);
}
def NN_DepthToSpaceOp : NN_MoveOp<"depth_to_space"> {
  let summary = "pixel shuffle: blocks of channels become block x block pixels";
  let description = [{
    result[n, c, y*block + by, x*block + bx] = input[n, k, y, x]. With `column_row_depth` k = (c, by, bx), otherwise k = (by, bx, c), the
    last running fastest. With layout = channels_last the channels are the last axis of both.

    ```mlir
    %y = nn.depth_to_space %x {block = 2 : i64, column_row_depth} : tensor<1x12x8x8xf32> -> tensor<1x3x16x16xf32>
    ```
    ONNX: DepthToSpace modes CRD and DCR; recomposed from reshape and transpose.
  }];
  let arguments = (ins NN_Tensor:$input, I64Attr:$block, UnitAttr:$column_row_depth, DefaultValuedAttr<NN_Layout, "Layout::ChannelsFirst">:$layout);
}
def NN_SpaceToDepthOp : NN_MoveOp<"space_to_depth"> {
  let summary = "block x block pixels become channels, in the order (by, bx, c)";
  let description = [{
    result[n, (by, bx, c), y, x] = input[n, c, y*block + by, x*block + bx]; the inverse of nn.depth_to_space without `column_row_depth`.

    ```mlir
    %y = nn.space_to_depth %x {block = 2 : i64} : tensor<1x3x16x16xf32> -> tensor<1x12x8x8xf32>
    ```
    ONNX: SpaceToDepth.
  }];
  let arguments = (ins NN_Tensor:$input, I64Attr:$block, DefaultValuedAttr<NN_Layout, "Layout::ChannelsFirst">:$layout);
}
def NN_ResizeOp : NN_MoveOp<"resize"> {
  let summary = "interpolation to `sizes`";
  let description = [{
    `sizes` is the result's shape (all axes). `scales[i]` is the factor s the coordinates use, 0 where it is size / input size. Axes with
    equal size and scale 1 are copied. Result coordinate o reads input coordinate x:

    - `half_pixel` (o + 0.5) / s - 0.5; `pytorch_half_pixel` the same, 0 where the size is 1
    - `half_pixel_symmetric` the same, shifted so that the centres of both images meet
    - `asymmetric` o / s; `align_corners` o * (input size - 1) / (size - 1)
    - `tf_half_pixel_for_nn` (o + 0.5) / s; `tf_crop_and_resize` within `roi`, `extrapolation_value` outside the input

    `nearest` takes the element at x rounded as the attribute `nearest` says, `linear` interpolates its two neighbours on each axis, `cubic`
    four with the coefficient `cubic_coefficient`. Neighbours outside are clamped, or left out of the weights with `exclude_outside`.
    `scale_bits` (where it is there, for axes whose entry is not 0) gives the bits of s as an f32: a scale that only the run knows.
    `antialias` widens the window of a smaller result by 1 / s. Channels are the last axis with layout = channels_last (which only says how
    the tensor is meant: the arithmetic is the same for every axis).

    ```mlir
    %y = nn.resize %x {sizes = #nn.dims<[1, 64, 2 * h, 2 * w]>, scales = array<f64: 1.0, 1.0, 2.0, 2.0>,
                       coordinates = #nn.coordinate_mode<asymmetric>, nearest = #nn.nearest_mode<floor>}
       : tensor<1x64x?x?xf32, #nn.dims<[1, 64, h, w]>> -> tensor<1x64x?x?xf32, #nn.dims<[1, 64, 2 * h, 2 * w]>>
    ```
    ONNX: Resize, Upsample.
  }];
  let arguments = (ins NN_Tensor:$input, NN_DimsAttr:$sizes, DenseF64ArrayAttr:$scales,
    DefaultValuedAttr<NN_ResizeMode, "ResizeMode::Nearest">:$mode,
    DefaultValuedAttr<NN_CoordinateMode, "CoordinateMode::HalfPixel">:$coordinates,
    DefaultValuedAttr<NN_NearestMode, "NearestMode::RoundPreferFloor">:$nearest,
    DefaultValuedAttr<F64Attr, "-0.75">:$cubic_coefficient, UnitAttr:$exclude_outside, UnitAttr:$antialias,
    DefaultValuedAttr<F64Attr, "0.0">:$extrapolation_value, OptionalAttr<DenseF64ArrayAttr>:$roi,
    DefaultValuedAttr<NN_Layout, "Layout::ChannelsFirst">:$layout, OptionalAttr<NN_DimsAttr>:$scale_bits);
}
def NN_RangeOp : NN_Op<"range"> {
  let summary = "start, start + delta, ... ; `size` elements";
  let description = [{
    `start` and `delta` are scalars of the result's element type; `size` has one entry.

    ```mlir
    %positions = nn.range %zero, %one {size = #nn.dims<[t]>} : (tensor<i64>, tensor<i64>) -> tensor<?xi64, #nn.dims<[t]>>
    ```
    ONNX: Range.
  }];
  let arguments = (ins NN_Tensor:$start, NN_Tensor:$delta, NN_DimsAttr:$size);
  let results = (outs NN_Tensor:$result);
  let assemblyFormat = "$start `,` $delta attr-dict `:` functional-type(operands, $result)";
  let hasFolder = 1;
}
def NN_OneHotOp : NN_Op<"one_hot"> {
  let summary = "`depth` long vectors along `axis`: values[1] at the index, values[0] elsewhere";
  let description = [{
    `values` is [off, on]; a negative index counts from the end; outside the depth the whole vector is off.

    ```mlir
    %y = nn.one_hot %i, %v {depth = #nn.dims<[10]>, axis = 1 : i64} : (tensor<4xi64>, tensor<2xf32>) -> tensor<4x10xf32>
    ```
    ONNX: OneHot.
  }];
  let arguments = (ins NN_Tensor:$indices, NN_Tensor:$values, NN_DimsAttr:$depth, I64Attr:$axis);
  let results = (outs NN_Tensor:$result);
  let assemblyFormat = "$indices `,` $values attr-dict `:` functional-type(operands, $result)";
}
#endif
