// RUN: tenon-opt %s --nn-conv-transpose-to-conv | FileCheck %s

// Stride 2, kernel 2: each pixel of x writes a block of 2x2. 3 channels make 12 = (by, bx, k).
// CHECK-LABEL: func.func @blocks
// CHECK:         %[[T:.*]] = nn.transpose %{{.*}} {perm = array<i64: 2, 3, 1, 0>} : tensor<8x3x2x2xf32> -> tensor<2x2x3x8xf32>
// CHECK:         %[[W:.*]] = nn.reshape %[[T]] {dims = #nn.dims<[12, 8, 1, 1]>}
// CHECK:         %[[C:.*]] = nn.conv %arg0, %[[W]]
// CHECK:         nn.depth_to_space %[[C]] {block = 2 : i64}
func.func @blocks(%x: tensor<1x8x4x4xf32>) -> tensor<1x3x8x8xf32> {
  %w = nn.constant dense_resource<w> : tensor<8x3x2x2xf32>
  %0 = nn.conv_transpose %x, %w {strides = array<i64: 2, 2>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, output_padding = array<i64: 0, 0>}
     : tensor<1x8x4x4xf32>, tensor<8x3x2x2xf32> -> tensor<1x3x8x8xf32>
  return %0 : tensor<1x3x8x8xf32>
}

// A kernel of 4 at stride 2: blocks overlap.
// CHECK-LABEL: func.func @overlapping
// CHECK:         nn.conv_transpose
func.func @overlapping(%x: tensor<1x8x4x4xf32>) -> tensor<1x3x8x8xf32> {
  %w = nn.constant dense_resource<w> : tensor<8x3x4x4xf32>
  %0 = nn.conv_transpose %x, %w {strides = array<i64: 2, 2>, pads = array<i64: 1, 1, 1, 1>, dilations = array<i64: 1, 1>, output_padding = array<i64: 0, 0>}
     : tensor<1x8x4x4xf32>, tensor<8x3x4x4xf32> -> tensor<1x3x8x8xf32>
  return %0 : tensor<1x3x8x8xf32>
}
