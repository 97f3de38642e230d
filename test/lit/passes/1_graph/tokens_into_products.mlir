// RUN: tenon-opt %s --nn-tokens-into-products | FileCheck %s

// A class token before the rows of two images, and positions: one constant for each row, the product's bias below the token.
// CHECK-LABEL: func.func @class_token
// CHECK:         %[[P:.*]] = nn.pad %arg0 {high = #nn.dims<[0, 0, 0]>, low = #nn.dims<[0, 1, 0]>} : {{.*}} -> tensor<2x5x8xf16>
// CHECK:         %[[Y:.*]] = nn.matmul %[[P]], %{{.*}} {transpose_rhs} : {{.*}} -> tensor<2x5x16xf16>
// CHECK:         %[[T:.*]] = nn.cast %{{.*}} {to = f32} : tensor<1x1x16xf16>
// CHECK:         %[[B:.*]] = nn.expand %{{.*}} {dims = #nn.dims<[1, 4, 16]>}
// CHECK:         %[[R:.*]] = nn.concat %[[T]], %[[B]] {axis = 1 : i64} : {{.*}} -> tensor<1x5x16xf32>
// CHECK:         %[[S:.*]] = nn.add %[[R]], %{{.*}} : tensor<1x5x16xf32>
// CHECK:         %[[C:.*]] = nn.cast %[[S]] {to = f16}
// CHECK:         %[[Z:.*]] = nn.add %[[Y]], %[[C]] : tensor<2x5x16xf16>, tensor<1x5x16xf16> -> tensor<2x5x16xf16>
// CHECK-NEXT:    return %[[Z]]
func.func @class_token(%x: tensor<2x4x8xf16>) -> tensor<2x5x16xf16> {
  %w = nn.constant dense<1.0> : tensor<16x8xf16>
  %b = nn.constant dense<2.0> : tensor<16xf16>
  %t = nn.constant dense<3.0> : tensor<2x1x16xf16>
  %p = nn.constant dense<4.0> : tensor<1x5x16xf16>
  %0 = nn.matmul %x, %w bias %b {transpose_rhs} : tensor<2x4x8xf16>, tensor<16x8xf16>, tensor<16xf16> -> tensor<2x4x16xf16>
  %1 = nn.concat %t, %0 {axis = 1 : i64} : tensor<2x1x16xf16>, tensor<2x4x16xf16> -> tensor<2x5x16xf16>
  %2 = nn.add %1, %p : tensor<2x5x16xf16>, tensor<1x5x16xf16> -> tensor<2x5x16xf16>
  return %2 : tensor<2x5x16xf16>
}

// Tokens on both sides, no bias.
// CHECK-LABEL: func.func @both_sides
// CHECK:         nn.pad %arg0 {high = #nn.dims<[0, 2, 0]>, low = #nn.dims<[0, 1, 0]>}
// CHECK:         nn.concat {{.*}} : tensor<1x1x16xf32>, tensor<1x4x16xf32>, tensor<1x2x16xf32> -> tensor<1x7x16xf32>
func.func @both_sides(%x: tensor<1x4x8xf32>) -> tensor<1x7x16xf32> {
  %w = nn.constant dense<1.0> : tensor<8x16xf32>
  %t = nn.constant dense<3.0> : tensor<1x1x16xf32>
  %u = nn.constant dense<5.0> : tensor<1x2x16xf32>
  %p = nn.constant dense<4.0> : tensor<7x16xf32>
  %0 = nn.matmul %x, %w : tensor<1x4x8xf32>, tensor<8x16xf32> -> tensor<1x4x16xf32>
  %1 = nn.concat %t, %0, %u {axis = 1 : i64} : tensor<1x1x16xf32>, tensor<1x4x16xf32>, tensor<1x2x16xf32> -> tensor<1x7x16xf32>
  %2 = nn.add %p, %1 : tensor<7x16xf32>, tensor<1x7x16xf32> -> tensor<1x7x16xf32>
  return %2 : tensor<1x7x16xf32>
}

// Images with tokens of their own, tokens that are given, products that something else reads.
// CHECK-LABEL: func.func @others
// CHECK-NOT:     nn.pad
// CHECK:         return
func.func @others(%x: tensor<2x4x8xf16>, %given: tensor<2x1x16xf16>) -> (tensor<2x5x16xf16>, tensor<2x5x16xf16>, tensor<2x5x16xf16>, tensor<2x4x16xf16>) {
  %w = nn.constant dense<1.0> : tensor<8x16xf16>
  %t = nn.constant dense<[[[3.0, 3.0, 3.0, 3.0, 3.0, 3.0, 3.0, 3.0, 3.0, 3.0, 3.0, 3.0, 3.0, 3.0, 3.0, 3.0]], [[4.0, 3.0, 3.0, 3.0, 3.0, 3.0, 3.0, 3.0, 3.0, 3.0, 3.0, 3.0, 3.0, 3.0, 3.0, 3.0]]]> : tensor<2x1x16xf16>
  %one = nn.constant dense<1.0> : tensor<2x1x16xf16>
  %p = nn.constant dense<4.0> : tensor<1x5x16xf16>
  %0 = nn.matmul %x, %w : tensor<2x4x8xf16>, tensor<8x16xf16> -> tensor<2x4x16xf16>
  %1 = nn.concat %t, %0 {axis = 1 : i64} : tensor<2x1x16xf16>, tensor<2x4x16xf16> -> tensor<2x5x16xf16>
  %2 = nn.add %1, %p : tensor<2x5x16xf16>, tensor<1x5x16xf16> -> tensor<2x5x16xf16>
  %3 = nn.matmul %x, %w : tensor<2x4x8xf16>, tensor<8x16xf16> -> tensor<2x4x16xf16>
  %4 = nn.concat %given, %3 {axis = 1 : i64} : tensor<2x1x16xf16>, tensor<2x4x16xf16> -> tensor<2x5x16xf16>
  %5 = nn.add %4, %p : tensor<2x5x16xf16>, tensor<1x5x16xf16> -> tensor<2x5x16xf16>
  %6 = nn.matmul %x, %w : tensor<2x4x8xf16>, tensor<8x16xf16> -> tensor<2x4x16xf16>
  %7 = nn.concat %one, %6 {axis = 1 : i64} : tensor<2x1x16xf16>, tensor<2x4x16xf16> -> tensor<2x5x16xf16>
  %8 = nn.add %7, %p : tensor<2x5x16xf16>, tensor<1x5x16xf16> -> tensor<2x5x16xf16>
  return %2, %5, %8, %6 : tensor<2x5x16xf16>, tensor<2x5x16xf16>, tensor<2x5x16xf16>, tensor<2x4x16xf16>
}
