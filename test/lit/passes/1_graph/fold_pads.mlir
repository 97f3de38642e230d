// RUN: tenon-opt %s --nn-fold-pads --canonicalize | FileCheck %s

// CHECK-LABEL: func.func @conv
// CHECK-NEXT:    nn.conv %arg0, %arg1 {{.*}}pads = array<i64: 0, 0, 1, 1>
func.func @conv(%x: tensor<1x4x8x8xf32>, %w: tensor<4x4x3x3xf32>) -> tensor<1x4x4x4xf32> {
  %0 = nn.pad %x {low = #nn.dims<[0, 0, 0, 0]>, high = #nn.dims<[0, 0, 1, 1]>} : tensor<1x4x8x8xf32> -> tensor<1x4x9x9xf32>
  %1 = nn.conv %0, %w {strides = array<i64: 2, 2>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>}
     : tensor<1x4x9x9xf32>, tensor<4x4x3x3xf32> -> tensor<1x4x4x4xf32>
  return %1 : tensor<1x4x4x4xf32>
}

// Zeros are below nothing that a ReLU leaves, so the maximum may ignore them; of any input it may not.
// CHECK-LABEL: func.func @maximum
// CHECK:         nn.pool %{{.*}} {{.*}}pads = array<i64: 1, 1, 1, 1>
// CHECK:         %[[PAD:.*]] = nn.pad %arg0
// CHECK:         nn.pool %[[PAD]] {{.*}}pads = array<i64: 0, 0, 0, 0>
func.func @maximum(%x: tensor<1x4x8x8xf32>) -> (tensor<1x4x8x8xf32>, tensor<1x4x8x8xf32>) {
  %0 = nn.relu %x : tensor<1x4x8x8xf32> -> tensor<1x4x8x8xf32>
  %1 = nn.pad %0 {low = #nn.dims<[0, 0, 1, 1]>, high = #nn.dims<[0, 0, 1, 1]>} : tensor<1x4x8x8xf32> -> tensor<1x4x10x10xf32>
  %2 = nn.pool %1 {kind = #nn.pool_kind<max>, window = array<i64: 3, 3>, strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>}
     : tensor<1x4x10x10xf32> -> tensor<1x4x8x8xf32>
  %3 = nn.pad %x {low = #nn.dims<[0, 0, 1, 1]>, high = #nn.dims<[0, 0, 1, 1]>} : tensor<1x4x8x8xf32> -> tensor<1x4x10x10xf32>
  %4 = nn.pool %3 {kind = #nn.pool_kind<max>, window = array<i64: 3, 3>, strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>}
     : tensor<1x4x10x10xf32> -> tensor<1x4x8x8xf32>
  return %2, %4 : tensor<1x4x8x8xf32>, tensor<1x4x8x8xf32>
}
