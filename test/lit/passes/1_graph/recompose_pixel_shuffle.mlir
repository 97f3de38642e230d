// RUN: tenon-opt %s --nn-recompose | FileCheck %s

// Channels split into (c, by, bx): the order CRD. The other order of the transpose is not a pixel shuffle.
// CHECK-LABEL: func.func @crd
// CHECK:         nn.depth_to_space %arg0 {block = 2 : i64, column_row_depth}
func.func @crd(%x: tensor<1x12x4x5xf32>) -> tensor<1x3x8x10xf32> {
  %0 = nn.reshape %x {dims = #nn.dims<[1, 3, 2, 2, 4, 5]>} : tensor<1x12x4x5xf32> -> tensor<1x3x2x2x4x5xf32>
  %1 = nn.transpose %0 {perm = array<i64: 0, 1, 4, 2, 5, 3>} : tensor<1x3x2x2x4x5xf32> -> tensor<1x3x4x2x5x2xf32>
  %2 = nn.reshape %1 {dims = #nn.dims<[1, 3, 8, 10]>} : tensor<1x3x4x2x5x2xf32> -> tensor<1x3x8x10xf32>
  return %2 : tensor<1x3x8x10xf32>
}
// CHECK-LABEL: func.func @space_to_depth
// CHECK:         nn.space_to_depth %arg0 {block = 2 : i64}
func.func @space_to_depth(%x: tensor<1x3x8x10xf32>) -> tensor<1x12x4x5xf32> {
  %0 = nn.reshape %x {dims = #nn.dims<[1, 3, 4, 2, 5, 2]>} : tensor<1x3x8x10xf32> -> tensor<1x3x4x2x5x2xf32>
  %1 = nn.transpose %0 {perm = array<i64: 0, 3, 5, 1, 2, 4>} : tensor<1x3x4x2x5x2xf32> -> tensor<1x2x2x3x4x5xf32>
  %2 = nn.reshape %1 {dims = #nn.dims<[1, 12, 4, 5]>} : tensor<1x2x2x3x4x5xf32> -> tensor<1x12x4x5xf32>
  return %2 : tensor<1x12x4x5xf32>
}
// CHECK-LABEL: func.func @something_else
// CHECK-NOT:     nn.depth_to_space
func.func @something_else(%x: tensor<1x12x4x5xf32>) -> tensor<1x3x8x10xf32> {
  %0 = nn.reshape %x {dims = #nn.dims<[1, 3, 2, 2, 4, 5]>} : tensor<1x12x4x5xf32> -> tensor<1x3x2x2x4x5xf32>
  %1 = nn.transpose %0 {perm = array<i64: 0, 1, 4, 3, 5, 2>} : tensor<1x3x2x2x4x5xf32> -> tensor<1x3x4x2x5x2xf32>
  %2 = nn.reshape %1 {dims = #nn.dims<[1, 3, 8, 10]>} : tensor<1x3x4x2x5x2xf32> -> tensor<1x3x8x10xf32>
  return %2 : tensor<1x3x8x10xf32>
}
