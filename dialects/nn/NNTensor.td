// Constants and data movement: shapes, views, gathers.
#ifndef TENON_NN_TENSOR
#define TENON_NN_TENSOR
include "dialects/nn/NNBase.td"

def NN_ConstantOp : NN_Op<"constant", [ConstantLike]> {
  let summary = "a tensor that is known: dense, a weight blob, or expressions of the input shapes";
  let description = [{
    `value` is `dense<…>`, `dense_resource<…>` (a blob over the mapped model file or the heap: never printed) or
    `#nn.dims<[…]>` for an i32 or i64 tensor of rank 0 or 1, known once the input shapes are.
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
  let description = [{ ONNX: Reshape, Flatten, Squeeze, Unsqueeze. `dims` is resolved: no 0 or -1 in it. }];
  let arguments = (ins NN_Tensor:$input, NN_DimsAttr:$dims);
  let hasCanonicalizer = 1;
}
def NN_TransposeOp : NN_MoveOp<"transpose", [NN_ViewLike]> {
  let summary = "result axis i is input axis perm[i]";
  let arguments = (ins NN_Tensor:$input, DenseI64ArrayAttr:$perm);
  let hasCanonicalizer = 1;
}
def NN_ExpandOp : NN_MoveOp<"expand", [NN_ViewLike]> {
  let summary = "broadcast to `dims` (numpy rules, aligned at the last axis)";
  let description = [{ ONNX: Expand. `dims` is the result's shape. }];
  let arguments = (ins NN_Tensor:$input, NN_DimsAttr:$dims);
}
def NN_SliceOp : NN_MoveOp<"slice", [NN_ViewLike]> {
  let summary = "result[i...] = input[starts + i * steps ...]";
  let description = [{
    One entry per axis. `sizes` is the result's shape; starts and sizes are already clamped to the input. A negative
    step walks backwards from `starts`. ONNX: Slice, Split (one slice a part).
  }];
  let arguments = (ins NN_Tensor:$input, NN_DimsAttr:$starts, NN_DimsAttr:$sizes, DenseI64ArrayAttr:$steps);
  let hasCanonicalizer = 1;
}
def NN_PadOp : NN_Op<"pad"> {
  let summary = "`low` and `high` extra elements on each side of every axis";
  let description = [{ Negative amounts crop. `value` (a scalar) fills in constant mode; zero where absent. ONNX: Pad. }];
  let arguments = (ins NN_Tensor:$input, NN_OptionalTensor:$value, NN_DimsAttr:$low, NN_DimsAttr:$high,
                       DefaultValuedAttr<NN_PadMode, "PadMode::Constant">:$mode);
  let results = (outs NN_Tensor:$result);
  let assemblyFormat = "$input (`value` $value^)? attr-dict `:` type($input) (`,` type($value)^)? `->` type($result)";
  let hasFolder = 1;
}
def NN_TileOp : NN_MoveOp<"tile"> {
  let summary = "the input repeated `repeats` times along each axis";
  let arguments = (ins NN_Tensor:$input, NN_DimsAttr:$repeats);
}
def NN_ConcatOp : NN_Op<"concat"> {
  let summary = "the inputs one after another along `axis`";
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
  let description = [{ result[a..., i..., b...] = input[a..., indices[i...], b...]; an index outside the axis reads the nearest element. ONNX: Gather. }];
  let arguments = (ins NN_Tensor:$input, NN_Tensor:$indices, I64Attr:$axis);
  let hasFolder = 1;
  let hasCanonicalizer = 1;
}
def NN_GatherElementsOp : NN_IndexedOp<"gather_elements"> {
  let summary = "result[i, j...] = input with coordinate `axis` replaced by indices[i, j...]";
  let arguments = (ins NN_Tensor:$input, NN_Tensor:$indices, I64Attr:$axis);
}
def NN_GatherNDOp : NN_IndexedOp<"gather_nd"> {
  let summary = "slices of `input` at the coordinate vectors in the last axis of `indices`";
  let arguments = (ins NN_Tensor:$input, NN_Tensor:$indices, DefaultValuedAttr<I64Attr, "0">:$batch_dims);
}
class NN_ScatterBase<string mnemonic> : NN_Op<mnemonic> {
  let results = (outs NN_Tensor:$result);
  let assemblyFormat = "$input `,` $indices `,` $updates attr-dict `:` functional-type(operands, $result)";
}
def NN_ScatterElementsOp : NN_ScatterBase<"scatter_elements"> {
  let summary = "a copy of `input` with `updates` written (or reduced into) where gather_elements would read";
  let arguments = (ins NN_Tensor:$input, NN_Tensor:$indices, NN_Tensor:$updates, I64Attr:$axis, OptionalAttr<NN_ReduceKind>:$reduction);
}
def NN_ScatterNDOp : NN_ScatterBase<"scatter_nd"> {
  let summary = "a copy of `input` with `updates` written (or reduced into) where gather_nd would read";
  let arguments = (ins NN_Tensor:$input, NN_Tensor:$indices, NN_Tensor:$updates, OptionalAttr<NN_ReduceKind>:$reduction);
}
def NN_DepthToSpaceOp : NN_MoveOp<"depth_to_space"> {
  let summary = "pixel shuffle: blocks of channels become block x block pixels";
  let description = [{ With `column_row_depth` channel = (c, by, bx), otherwise (by, bx, c). ONNX: DepthToSpace modes CRD and DCR; recomposed from reshape and transpose. }];
  let arguments = (ins NN_Tensor:$input, I64Attr:$block, UnitAttr:$column_row_depth, DefaultValuedAttr<NN_Layout, "Layout::ChannelsFirst">:$layout);
}
def NN_SpaceToDepthOp : NN_MoveOp<"space_to_depth"> {
  let summary = "block x block pixels become channels, in the order (by, bx, c)";
  let arguments = (ins NN_Tensor:$input, I64Attr:$block, DefaultValuedAttr<NN_Layout, "Layout::ChannelsFirst">:$layout);
}
def NN_ResizeOp : NN_MoveOp<"resize"> {
  let summary = "interpolation to `sizes`";
  let description = [{
    `sizes` is the result's shape (all axes). `scales[i]` is the factor the coordinates use, 0 where it is sizes/input
    size. Axes with equal size and scale 1 are copied. ONNX: Resize, Upsample.
  }];
  let arguments = (ins NN_Tensor:$input, NN_DimsAttr:$sizes, DenseF64ArrayAttr:$scales,
    DefaultValuedAttr<NN_ResizeMode, "ResizeMode::Nearest">:$mode,
    DefaultValuedAttr<NN_CoordinateMode, "CoordinateMode::HalfPixel">:$coordinates,
    DefaultValuedAttr<NN_NearestMode, "NearestMode::RoundPreferFloor">:$nearest,
    DefaultValuedAttr<F64Attr, "-0.75">:$cubic_coefficient, UnitAttr:$exclude_outside, UnitAttr:$antialias,
    DefaultValuedAttr<F64Attr, "0.0">:$extrapolation_value, OptionalAttr<DenseF64ArrayAttr>:$roi,
    DefaultValuedAttr<NN_Layout, "Layout::ChannelsFirst">:$layout);
}
def NN_RangeOp : NN_Op<"range"> {
  let summary = "start, start + delta, ... ; `size` elements";
  let arguments = (ins NN_Tensor:$start, NN_Tensor:$delta, NN_DimsAttr:$size);
  let results = (outs NN_Tensor:$result);
  let assemblyFormat = "$start `,` $delta attr-dict `:` functional-type(operands, $result)";
  let hasFolder = 1;
}
def NN_OneHotOp : NN_Op<"one_hot"> {
  let summary = "`depth` long vectors along `axis`: values[1] at the index, values[0] elsewhere";
  let arguments = (ins NN_Tensor:$indices, NN_Tensor:$values, NN_DimsAttr:$depth, I64Attr:$axis);
  let results = (outs NN_Tensor:$result);
  let assemblyFormat = "$indices `,` $values attr-dict `:` functional-type(operands, $result)";
}
#endif
