// RUN: tenon-opt %s --nn-narrow-products | FileCheck %s

// Floats of 8 bits are multiplied as they are; both scales, those of the weights one a result, and the bias follow the sums in f32.
// CHECK-LABEL: func.func @product
// CHECK:         %[[SUM:.*]] = nn.matmul %arg0, %{{.*}} : tensor<4x8xf8E4M3FN>, tensor<8x2xf8E4M3FN> -> tensor<4x2xf32>
// CHECK:         %[[FACTOR:.*]] = nn.mul %{{.*}}, %{{.*}} : tensor<f32>, tensor<2xf32> -> tensor<2xf32>
// CHECK:         %[[REAL:.*]] = nn.mul %[[SUM]], %[[FACTOR]]
// CHECK:         %[[Y:.*]] = nn.add %[[REAL]], %{{.*}} : tensor<4x2xf32>, tensor<2xf32>
// CHECK:         return %[[Y]]
func.func @product(%x: tensor<4x8xf8E4M3FN>) -> tensor<4x2xf32> {
  %a = nn.constant dense<0.5> : tensor<f32>
  %w = nn.constant dense<1.5> : tensor<8x2xf8E4M3FN>
  %s = nn.constant dense<[0.25, 0.125]> : tensor<2xf32>
  %b = nn.constant dense<1.0> : tensor<2xf32>
  %0 = nn.cast %x {to = f32} : tensor<4x8xf8E4M3FN> -> tensor<4x8xf32>
  %1 = nn.mul %0, %a : tensor<4x8xf32>, tensor<f32> -> tensor<4x8xf32>
  %2 = nn.cast %w {to = f32} : tensor<8x2xf8E4M3FN> -> tensor<8x2xf32>
  %3 = nn.mul %2, %s : tensor<8x2xf32>, tensor<2xf32> -> tensor<8x2xf32>
  %4 = nn.matmul %1, %3 bias %b : tensor<4x8xf32>, tensor<8x2xf32>, tensor<2xf32> -> tensor<4x2xf32>
  return %4 : tensor<4x2xf32>
}

// A convolution: one scale for each of its filters.
// CHECK-LABEL: func.func @conv
// CHECK:         nn.conv %arg0, %{{.*}} : tensor<1x4x6x6xf8E4M3FN>, tensor<2x4x3x3xf8E4M3FN> -> tensor<1x2x6x6xf32>
// CHECK:         nn.reshape %{{.*}} : tensor<2x1x1x1xf32> -> tensor<2x1x1xf32>
// CHECK:         nn.mul %{{.*}} : tensor<1x2x6x6xf32>, tensor<2x1x1xf32>
func.func @conv(%x: tensor<1x4x6x6xf8E4M3FN>) -> tensor<1x2x6x6xf32> {
  %w = nn.constant dense<1.5> : tensor<2x4x3x3xf8E4M3FN>
  %s = nn.constant dense<[[[[0.25]]], [[[0.125]]]]> : tensor<2x1x1x1xf32>
  %0 = nn.cast %x {to = f32} : tensor<1x4x6x6xf8E4M3FN> -> tensor<1x4x6x6xf32>
  %1 = nn.cast %w {to = f32} : tensor<2x4x3x3xf8E4M3FN> -> tensor<2x4x3x3xf32>
  %2 = nn.mul %1, %s : tensor<2x4x3x3xf32>, tensor<2x1x1x1xf32> -> tensor<2x4x3x3xf32>
  %3 = nn.conv %0, %2 {strides = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>, dilations = array<i64: 1, 1>} : tensor<1x4x6x6xf32>, tensor<2x4x3x3xf32> -> tensor<1x2x6x6xf32>
  return %3 : tensor<1x2x6x6xf32>
}

// Scales along the depth cannot follow the sums; six elements are no fours.
// CHECK-LABEL: func.func @others
// CHECK-COUNT-2: nn.matmul %{{.*}} : tensor<4x{{[68]}}xf32>
func.func @others(%x: tensor<4x8xf8E4M3FN>, %y: tensor<4x6xf8E4M3FN>) -> (tensor<4x2xf32>, tensor<4x2xf32>) {
  %w = nn.constant dense<1.5> : tensor<8x2xf8E4M3FN>
  %s = nn.constant dense<2.0> : tensor<8x1xf32>
  %v = nn.constant dense<1.5> : tensor<6x2xf8E4M3FN>
  %0 = nn.cast %x {to = f32} : tensor<4x8xf8E4M3FN> -> tensor<4x8xf32>
  %1 = nn.cast %w {to = f32} : tensor<8x2xf8E4M3FN> -> tensor<8x2xf32>
  %2 = nn.mul %1, %s : tensor<8x2xf32>, tensor<8x1xf32> -> tensor<8x2xf32>
  %3 = nn.matmul %0, %2 : tensor<4x8xf32>, tensor<8x2xf32> -> tensor<4x2xf32>
  %4 = nn.cast %y {to = f32} : tensor<4x6xf8E4M3FN> -> tensor<4x6xf32>
  %5 = nn.cast %v {to = f32} : tensor<6x2xf8E4M3FN> -> tensor<6x2xf32>
  %6 = nn.matmul %4, %5 : tensor<4x6xf32>, tensor<6x2xf32> -> tensor<4x2xf32>
  return %3, %6 : tensor<4x2xf32>, tensor<4x2xf32>
}
