// RUN: tenon-opt %s --nn-conv-transpose-to-conv | FileCheck %s

// Stride 2, kernel 2: each pixel of x writes a block of 2x2. 3 channels make 12 = (by, bx, k).
// CHECK-LABEL: func.func @blocks
// CHECK:         %[[R:.*]] = nn.constant dense_resource<w> : tensor<8x3x1x2x1x2xf32>
// CHECK:         %[[T:.*]] = nn.transpose %[[R]] {perm = array<i64: 3, 5, 1, 0, 2, 4>} : tensor<8x3x1x2x1x2xf32> -> tensor<2x2x3x8x1x1xf32>
// CHECK:         %[[W:.*]] = nn.reshape %[[T]] {dims = #nn.dims<[12, 8, 1, 1]>}
// CHECK:         %[[C:.*]] = nn.conv %arg0, %[[W]]
// CHECK:         nn.depth_to_space %[[C]] {block = 2 : i64}
func.func @blocks(%x: tensor<1x8x4x4xf32>) -> tensor<1x3x8x8xf32> {
  %w = nn.constant dense_resource<w> : tensor<8x3x2x2xf32>
  %0 = nn.conv_transpose %x, %w {strides = array<i64: 2, 2>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, output_padding = array<i64: 0, 0>}
     : tensor<1x8x4x4xf32>, tensor<8x3x2x2xf32> -> tensor<1x3x8x8xf32>
  return %0 : tensor<1x3x8x8xf32>
}

// A kernel of 4 at stride 2 and pads of 1: every output sees 2 pixels an axis, the taps in reverse; the pads are cropped.
// CHECK-LABEL: func.func @overlapping
// CHECK:         nn.slice %{{.*}} {sizes = #nn.dims<[8, 3, 2, 2, 2, 2]>, starts = #nn.dims<[0, 0, 1, 0, 1, 0]>, steps = array<i64: 1, 1, -1, 1, -1, 1>}
// CHECK:         %[[C:.*]] = nn.conv %arg0, %{{.*}} {dilations = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>, strides = array<i64: 1, 1>}
// CHECK-SAME:      -> tensor<1x12x5x5xf32>
// CHECK:         %[[B:.*]] = nn.depth_to_space %[[C]] {block = 2 : i64} : tensor<1x12x5x5xf32> -> tensor<1x3x10x10xf32>
// CHECK:         nn.slice %[[B]] {sizes = #nn.dims<[1, 3, 8, 8]>, starts = #nn.dims<[0, 0, 1, 1]>
func.func @overlapping(%x: tensor<1x8x4x4xf32>) -> tensor<1x3x8x8xf32> {
  %w = nn.constant dense_resource<w> : tensor<8x3x4x4xf32>
  %0 = nn.conv_transpose %x, %w {strides = array<i64: 2, 2>, pads = array<i64: 1, 1, 1, 1>, dilations = array<i64: 1, 1>, output_padding = array<i64: 0, 0>}
     : tensor<1x8x4x4xf32>, tensor<8x3x4x4xf32> -> tensor<1x3x8x8xf32>
  return %0 : tensor<1x3x8x8xf32>
}

// Stride 1: a convolution with the taps in reverse; pads take from its own, which are 2 at each side of a kernel of 3.
// CHECK-LABEL: func.func @plain
// CHECK:         nn.slice %{{.*}} {sizes = #nn.dims<[8, 5, 3, 1, 3, 1]>, starts = #nn.dims<[0, 0, 2, 0, 2, 0]>, steps = array<i64: 1, 1, -1, 1, -1, 1>}
// CHECK-NOT:     nn.depth_to_space
// CHECK:         nn.conv %arg0, %{{.*}} {dilations = array<i64: 1, 1>, pads = array<i64: 2, 1, 0, 2>, strides = array<i64: 1, 1>}
// CHECK-SAME:      -> tensor<1x5x4x5xf32>
func.func @plain(%x: tensor<1x8x4x4xf32>) -> tensor<1x5x4x5xf32> {
  %w = nn.constant dense_resource<w> : tensor<8x5x3x3xf32>
  %0 = nn.conv_transpose %x, %w {strides = array<i64: 1, 1>, pads = array<i64: 0, 1, 2, 0>, dilations = array<i64: 1, 1>, output_padding = array<i64: 0, 0>}
     : tensor<1x8x4x4xf32>, tensor<8x5x3x3xf32> -> tensor<1x5x4x5xf32>
  return %0 : tensor<1x5x4x5xf32>
}
