// RUN: tenon-opt %s --nn-simplify-views --canonicalize --cse | FileCheck %s

// A channel shuffle: channel 2c + i of x is channel c of part i, so each part is a slice of step 2.
// CHECK-LABEL: func.func @channel_shuffle
// CHECK:         nn.slice %arg0 {sizes = #nn.dims<[1, 4, 3, 3]>, starts = #nn.dims<[0, 1, 0, 0]>, steps = array<i64: 1, 2, 1, 1>}
// CHECK-NOT:     nn.transpose
func.func @channel_shuffle(%x: tensor<1x8x3x3xf32>) -> tensor<1x4x3x3xf32> {
  %one = nn.constant dense<1> : tensor<i64>
  %0 = nn.reshape %x {dims = #nn.dims<[4, 2, 9]>} : tensor<1x8x3x3xf32> -> tensor<4x2x9xf32>
  %1 = nn.transpose %0 {perm = array<i64: 1, 0, 2>} : tensor<4x2x9xf32> -> tensor<2x4x9xf32>
  %2 = nn.reshape %1 {dims = #nn.dims<[2, 1, 4, 3, 3]>} : tensor<2x4x9xf32> -> tensor<2x1x4x3x3xf32>
  %3 = nn.gather %2, %one {axis = 0 : i64} : (tensor<2x1x4x3x3xf32>, tensor<i64>) -> tensor<1x4x3x3xf32>
  return %3 : tensor<1x4x3x3xf32>
}

// The two halves of x side by side are x.
// CHECK-LABEL: func.func @halves
// CHECK-NEXT:    %[[Y:.*]] = nn.concat %arg0, %arg1 {axis = 1 : i64}
// CHECK-NEXT:    return %[[Y]]
func.func @halves(%x: tensor<1x8x4xf32>, %y: tensor<1x2x4xf32>) -> tensor<1x10x4xf32> {
  %0 = nn.slice %x {starts = #nn.dims<[0, 0, 0]>, sizes = #nn.dims<[1, 4, 4]>, steps = array<i64: 1, 1, 1>} : tensor<1x8x4xf32> -> tensor<1x4x4xf32>
  %1 = nn.slice %x {starts = #nn.dims<[0, 4, 0]>, sizes = #nn.dims<[1, 4, 4]>, steps = array<i64: 1, 1, 1>} : tensor<1x8x4xf32> -> tensor<1x4x4xf32>
  %2 = nn.concat %0, %1, %y {axis = 1 : i64} : tensor<1x4x4xf32>, tensor<1x4x4xf32>, tensor<1x2x4xf32> -> tensor<1x10x4xf32>
  return %2 : tensor<1x10x4xf32>
}

// Boxes and scores are put together for each scale, then the scales, then taken apart: a concat of the boxes is enough.
// CHECK-LABEL: func.func @detection_head
// CHECK-NEXT:    %[[Y:.*]] = nn.concat %arg0, %arg2 {axis = 1 : i64}
// CHECK-NEXT:    return %[[Y]]
func.func @detection_head(%box0: tensor<1x9x4xf32>, %score0: tensor<1x9x2xf32>, %box1: tensor<1x5x4xf32>, %score1: tensor<1x5x2xf32>) -> tensor<1x14x4xf32> {
  %0 = nn.concat %box0, %score0 {axis = 2 : i64} : tensor<1x9x4xf32>, tensor<1x9x2xf32> -> tensor<1x9x6xf32>
  %1 = nn.concat %box1, %score1 {axis = 2 : i64} : tensor<1x5x4xf32>, tensor<1x5x2xf32> -> tensor<1x5x6xf32>
  %2 = nn.concat %0, %1 {axis = 1 : i64} : tensor<1x9x6xf32>, tensor<1x5x6xf32> -> tensor<1x14x6xf32>
  %3 = nn.slice %2 {starts = #nn.dims<[0, 0, 0]>, sizes = #nn.dims<[1, 14, 4]>, steps = array<i64: 1, 1, 1>} : tensor<1x14x6xf32> -> tensor<1x14x4xf32>
  return %3 : tensor<1x14x4xf32>
}

// The residual is added before the reshape: an epilogue of the product.
// CHECK-LABEL: func.func @residual
// CHECK:         %[[P:.*]] = nn.matmul %arg0, %arg1
// CHECK-NEXT:    %[[S:.*]] = nn.add %[[P]], %arg2
// CHECK-NEXT:    return %[[S]]
func.func @residual(%x: tensor<1x4x8xf32>, %w: tensor<8x8xf32>, %r: tensor<1x4x8xf32>) -> tensor<1x4x8xf32> {
  %0 = nn.reshape %x {dims = #nn.dims<[4, 8]>} : tensor<1x4x8xf32> -> tensor<4x8xf32>
  %1 = nn.matmul %0, %w : tensor<4x8xf32>, tensor<8x8xf32> -> tensor<4x8xf32>
  %2 = nn.reshape %1 {dims = #nn.dims<[1, 4, 8]>} : tensor<4x8xf32> -> tensor<1x4x8xf32>
  %3 = nn.add %2, %r : tensor<1x4x8xf32>, tensor<1x4x8xf32> -> tensor<1x4x8xf32>
  return %3 : tensor<1x4x8xf32>
}

// Moving an axis of size 1 moves nothing. The sizes are free, but equal.
// CHECK-LABEL: func.func @unit_axis
// CHECK-NEXT:    nn.reshape %arg0
// CHECK-NOT:     nn.transpose
func.func @unit_axis(%x: tensor<?x1x8xf32, #nn.dims<[n, 1, 8]>>) -> tensor<1x?x8xf32, #nn.dims<[1, n, 8]>> {
  %0 = nn.transpose %x {perm = array<i64: 1, 0, 2>} : tensor<?x1x8xf32, #nn.dims<[n, 1, 8]>> -> tensor<1x?x8xf32, #nn.dims<[1, n, 8]>>
  return %0 : tensor<1x?x8xf32, #nn.dims<[1, n, 8]>>
}

// The same where the product reads heads side by side: only they are made one axis.
// CHECK-LABEL: func.func @residual_of_heads
// CHECK:         %[[X:.*]] = nn.reshape %arg0 {dims = #nn.dims<[1, 4, 8]>}
// CHECK-NEXT:    %[[P:.*]] = nn.matmul %[[X]], %arg1
// CHECK-NEXT:    %[[S:.*]] = nn.add %[[P]], %arg2
// CHECK-NEXT:    return %[[S]]
func.func @residual_of_heads(%x: tensor<1x4x2x4xf32>, %w: tensor<8x8xf32>, %r: tensor<1x4x8xf32>) -> tensor<1x4x8xf32> {
  %0 = nn.reshape %x {dims = #nn.dims<[4, 8]>} : tensor<1x4x2x4xf32> -> tensor<4x8xf32>
  %1 = nn.matmul %0, %w : tensor<4x8xf32>, tensor<8x8xf32> -> tensor<4x8xf32>
  %2 = nn.reshape %1 {dims = #nn.dims<[1, 4, 8]>} : tensor<4x8xf32> -> tensor<1x4x8xf32>
  %3 = nn.add %2, %r : tensor<1x4x8xf32>, tensor<1x4x8xf32> -> tensor<1x4x8xf32>
  return %3 : tensor<1x4x8xf32>
}
