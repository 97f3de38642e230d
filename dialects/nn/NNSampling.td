// Images read at places that are data: grids of coordinates, regions of interest.
#ifndef TENON_NN_SAMPLING
#define TENON_NN_SAMPLING
include "dialects/nn/NNBase.td"

def NN_GridPaddingEnum : NN_Enum<"GridPadding", "what lies outside an image", [
  I32EnumAttrCase<"Zeros", 0, "zeros">, I32EnumAttrCase<"Border", 1, "border">, I32EnumAttrCase<"Reflection", 2, "reflection">]>;
def NN_GridPadding : NN_EnumAttr<NN_GridPaddingEnum, "grid_padding">;

def NN_GridSampleOp : NN_Op<"grid_sample"> {
  let summary = "an image interpolated at the coordinates that a grid holds";
  let description = [{
    input [N, C, Y...], grid [N, O..., r] with r = 2 or 3 coordinates, that of the last axis first, for the r spatial axes of the input;
    result [N, C, O...]. Coordinates lie in [-1, 1]: c stands for the pixel ((c + 1) * size - 1) / 2, with `align_corners` for
    (c + 1) * (size - 1) / 2. A coordinate beyond the image's border (half a pixel from the outermost centres; the centres themselves with
    `align_corners`) is moved to the outermost pixel (`border`) or mirrored at the border until it is inside (`reflection`).

    `nearest` rounds half to even, `linear` takes the 2^r neighbours, `cubic` 4^r with the coefficient -0.75. A neighbour outside is zero,
    the outermost pixel, or its mirror image, as the padding says.

    ```mlir
    %y = nn.grid_sample %x, %g {mode = #nn.resize_mode<linear>, padding = #nn.grid_padding<zeros>}
       : (tensor<1x3x32x32xf32>, tensor<1x8x8x2xf32>) -> tensor<1x3x8x8xf32>
    ```
    ONNX: GridSample.
  }];
  let arguments = (ins NN_Tensor:$input, NN_Tensor:$grid, DefaultValuedAttr<NN_ResizeMode, "ResizeMode::Linear">:$mode,
                       DefaultValuedAttr<NN_GridPadding, "GridPadding::Zeros">:$padding, UnitAttr:$align_corners);
  let results = (outs NN_Tensor:$result);
  let assemblyFormat = "$input `,` $grid attr-dict `:` functional-type(operands, $result)";
}

def NN_RoiAlignOp : NN_Op<"roi_align"> {
  let summary = "regions of images, cut into cells, each cell the mean or the maximum of samples in it";
  let description = [{
    input [N, C, H, W], rois [R, 4] as (x1, y1, x2, y2), batch [R] (the image of each region), sizes the two cell counts [OH, OW];
    result [R, C, OH, OW]. Regions are multiplied by `spatial_scale` and, with `half_pixel`, moved by -0.5; without it they are at least one
    pixel wide and high. A cell has `sampling_ratio` samples along each axis, or ceil(cell size) where that is 0, evenly spread. A sample is
    the linear interpolation of its four neighbours; beyond one pixel outside the image it is 0. With `maximum` a cell is the largest
    weighted neighbour of its samples.

    ```mlir
    %y = nn.roi_align %x, %rois, %batch {sizes = array<i64: 7, 7>, spatial_scale = 0.0625 : f64, sampling_ratio = 2 : i64, half_pixel}
       : (tensor<1x256x50x50xf32>, tensor<100x4xf32>, tensor<100xi64>) -> tensor<100x256x7x7xf32>
    ```
    ONNX: RoiAlign.
  }];
  let arguments = (ins NN_Tensor:$input, NN_Tensor:$rois, NN_Tensor:$batch, DenseI64ArrayAttr:$sizes, F64Attr:$spatial_scale,
                       I64Attr:$sampling_ratio, UnitAttr:$half_pixel, UnitAttr:$maximum);
  let results = (outs NN_Tensor:$result);
  let assemblyFormat = "$input `,` $rois `,` $batch attr-dict `:` functional-type(operands, $result)";
}
#endif
