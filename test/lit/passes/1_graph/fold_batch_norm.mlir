// RUN: tenon-opt %s --nn-fold-batch-norm --canonicalize --cse | FileCheck %s

// y = gamma * (conv(x) - mean) / sqrt(var + eps) + beta. With a = gamma / sqrt(var + eps) the weights are scaled by a along their
// first axis, and the bias is bias * a + (beta - mean * a).
// CHECK-LABEL: func.func @conv
// CHECK-NOT:     nn.batch_norm
// CHECK:         nn.div %{{.*}} : tensor<8xf32>
// CHECK:         %[[A:.*]] = nn.reshape %{{.*}} {dims = #nn.dims<[8, 1, 1, 1]>}
// CHECK:         %[[WEIGHT:.*]] = nn.mul %[[A]], %{{.*}} -> tensor<8x4x3x3xf32>
// CHECK:         %[[Y:.*]] = nn.conv %arg0, %[[WEIGHT]] bias %{{.*}}
// CHECK-NEXT:    return %[[Y]]
func.func @conv(%x: tensor<1x4x8x8xf32>) -> tensor<1x8x8x8xf32> {
  %w = nn.constant dense_resource<w> : tensor<8x4x3x3xf32>
  %b = nn.constant dense_resource<b> : tensor<8xf32>
  %gamma = nn.constant dense_resource<gamma> : tensor<8xf32>
  %beta = nn.constant dense_resource<beta> : tensor<8xf32>
  %mean = nn.constant dense_resource<mean> : tensor<8xf32>
  %variance = nn.constant dense_resource<variance> : tensor<8xf32>
  %c = nn.conv %x, %w bias %b {strides = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>, dilations = array<i64: 1, 1>}
     : tensor<1x4x8x8xf32>, tensor<8x4x3x3xf32>, tensor<8xf32> -> tensor<1x8x8x8xf32>
  %y = nn.batch_norm %c, %gamma, %beta, %mean, %variance {epsilon = 1.0e-5}
     : (tensor<1x8x8x8xf32>, tensor<8xf32>, tensor<8xf32>, tensor<8xf32>, tensor<8xf32>) -> tensor<1x8x8x8xf32>
  return %y : tensor<1x8x8x8xf32>
}

// The convolution has another reader: it stays, the norm becomes a product and a sum.
// CHECK-LABEL: func.func @shared
// CHECK:         %[[C:.*]] = nn.conv %arg0, %{{.*}} {
// CHECK:         nn.mul %[[C]],
// CHECK:         nn.add
func.func @shared(%x: tensor<1x4x8x8xf32>) -> (tensor<1x4x8x8xf32>, tensor<1x4x8x8xf32>) {
  %w = nn.constant dense_resource<w> : tensor<4x4x1x1xf32>
  %v = nn.constant dense_resource<v> : tensor<4xf32>
  %c = nn.conv %x, %w {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>}
     : tensor<1x4x8x8xf32>, tensor<4x4x1x1xf32> -> tensor<1x4x8x8xf32>
  %y = nn.batch_norm %c, %v, %v, %v, %v {epsilon = 1.0e-5}
     : (tensor<1x4x8x8xf32>, tensor<4xf32>, tensor<4xf32>, tensor<4xf32>, tensor<4xf32>) -> tensor<1x4x8x8xf32>
  return %c, %y : tensor<1x4x8x8xf32>, tensor<1x4x8x8xf32>
}

// A sum before a padded convolution must stay: padding is zero after the sum, not before it. The product may go.
// CHECK-LABEL: func.func @before
// CHECK:         %[[SUM:.*]] = nn.add %arg0,
// CHECK:         %[[W:.*]] = nn.mul %{{.*}} : tensor<1x4x1x1xf32>, tensor<4x4x3x3xf32>
// CHECK:         nn.conv %[[SUM]], %[[W]]
func.func @before(%x: tensor<1x4x8x8xf32>) -> tensor<1x4x8x8xf32> {
  %w = nn.constant dense_resource<w> : tensor<4x4x3x3xf32>
  %a = nn.constant dense_resource<a> : tensor<4x1x1xf32>
  %b = nn.constant dense_resource<b> : tensor<4x1x1xf32>
  %0 = nn.add %x, %b : tensor<1x4x8x8xf32>, tensor<4x1x1xf32> -> tensor<1x4x8x8xf32>
  %1 = nn.mul %0, %a : tensor<1x4x8x8xf32>, tensor<4x1x1xf32> -> tensor<1x4x8x8xf32>
  %y = nn.conv %1, %w {strides = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>, dilations = array<i64: 1, 1>}
     : tensor<1x4x8x8xf32>, tensor<4x4x3x3xf32> -> tensor<1x4x8x8xf32>
  return %y : tensor<1x4x8x8xf32>
}

// matmul(x, w) + b with b along the columns, then times a scalar: bias and weights.
// CHECK-LABEL: func.func @matmul
// CHECK:         %[[Y:.*]] = nn.matmul %arg0, %{{.*}} bias %{{.*}}
// CHECK-NEXT:    return %[[Y]]
func.func @matmul(%x: tensor<2x5x8xf32>) -> tensor<2x5x6xf32> {
  %w = nn.constant dense_resource<w> : tensor<8x6xf32>
  %b = nn.constant dense_resource<b> : tensor<1x6xf32>
  %s = nn.constant dense<0.125> : tensor<f32>
  %0 = nn.matmul %x, %w : tensor<2x5x8xf32>, tensor<8x6xf32> -> tensor<2x5x6xf32>
  %1 = nn.add %b, %0 : tensor<1x6xf32>, tensor<2x5x6xf32> -> tensor<2x5x6xf32>
  %2 = nn.mul %1, %s : tensor<2x5x6xf32>, tensor<f32> -> tensor<2x5x6xf32>
  return %2 : tensor<2x5x6xf32>
}
