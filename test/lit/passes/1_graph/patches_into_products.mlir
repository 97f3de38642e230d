// RUN: tenon-opt %s --nn-patches-into-products | FileCheck %s

// The image is read as it lies, rounded where its patches are written: their elements in the order of the weights.
// CHECK-LABEL: func.func @patches
// CHECK:         %[[R:.*]] = nn.reshape %arg0 {dims = #nn.dims<[1, 3, 2, 4, 2, 4]>}
// CHECK:         %[[T:.*]] = nn.transpose %[[R]] {perm = array<i64: 0, 2, 4, 1, 3, 5>} {{.*}} -> tensor<1x2x2x3x4x4xf32>
// CHECK:         %[[H:.*]] = nn.cast %[[T]] {to = f16}
// CHECK:         %[[P:.*]] = nn.reshape %[[H]] {dims = #nn.dims<[1, 4, 48]>}
// CHECK:         %[[W:.*]] = nn.reshape %{{.*}} {dims = #nn.dims<[64, 48]>}
// CHECK:         %[[Y:.*]] = nn.matmul %[[P]], %[[W]] bias %{{.*}} {transpose_rhs}
// CHECK:         nn.reshape %[[Y]] {dims = #nn.dims<[1, 2, 2, 64]>}
func.func @patches(%x: tensor<1x3x8x8xf32>) -> tensor<1x2x2x64xf16> {
  %w = nn.constant dense_resource<w> : tensor<64x3x4x4xf16>
  %b = nn.constant dense_resource<b> : tensor<64xf16>
  %0 = nn.cast %x {to = f16} : tensor<1x3x8x8xf32> -> tensor<1x3x8x8xf16>
  %1 = nn.transpose %0 {perm = array<i64: 0, 2, 3, 1>} : tensor<1x3x8x8xf16> -> tensor<1x8x8x3xf16>
  %2 = nn.conv %1, %w bias %b {strides = array<i64: 4, 4>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, layout = #nn.layout<channels_last>} : tensor<1x8x8x3xf16>, tensor<64x3x4x4xf16>, tensor<64xf16> -> tensor<1x2x2x64xf16>
  return %2 : tensor<1x2x2x64xf16>
}

// The same in f32.
// CHECK-LABEL: func.func @full
// CHECK:         nn.matmul {{.*}} : tensor<1x4x48xf32>, tensor<64x48xf32>
func.func @full(%x: tensor<1x3x8x8xf32>) -> tensor<1x2x2x64xf32> {
  %w = nn.constant dense_resource<f> : tensor<64x3x4x4xf32>
  %0 = nn.transpose %x {perm = array<i64: 0, 2, 3, 1>} : tensor<1x3x8x8xf32> -> tensor<1x8x8x3xf32>
  %1 = nn.conv %0, %w {strides = array<i64: 4, 4>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, layout = #nn.layout<channels_last>} : tensor<1x8x8x3xf32>, tensor<64x3x4x4xf32> -> tensor<1x2x2x64xf32>
  return %1 : tensor<1x2x2x64xf32>
}

// Windows that overlap stay a convolution.
// CHECK-LABEL: func.func @overlap
// CHECK-NOT:     nn.matmul
// CHECK:         nn.conv
func.func @overlap(%x: tensor<1x3x8x8xf16>) -> tensor<1x3x3x64xf16> {
  %w = nn.constant dense_resource<v> : tensor<64x3x4x4xf16>
  %0 = nn.transpose %x {perm = array<i64: 0, 2, 3, 1>} : tensor<1x3x8x8xf16> -> tensor<1x8x8x3xf16>
  %1 = nn.conv %0, %w {strides = array<i64: 2, 2>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, layout = #nn.layout<channels_last>} : tensor<1x8x8x3xf16>, tensor<64x3x4x4xf16> -> tensor<1x3x3x64xf16>
  return %1 : tensor<1x3x3x64xf16>
}
