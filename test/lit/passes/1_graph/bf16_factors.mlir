// RUN: tenon-opt %s --nn-bf16-factors | FileCheck %s
// RUN: tenon-opt %s --nn-bf16-factors=only-models-of-bf16 | FileCheck %s --check-prefix=OF_BF16

// What a product reads is rounded where it is made; a residual is widened again, sums are not rounded.
// CHECK-LABEL: func.func @block
// CHECK:         %[[RELU:.*]] = nn.relu %{{.*}} : tensor<1x4x4x16xf32>
// CHECK:         %[[ROUNDED:.*]] = nn.cast %[[RELU]] {kernel.bf16_pairs, to = bf16}
// CHECK:         %[[WEIGHTS:.*]] = nn.cast %{{.*}} {to = bf16} : tensor<16x16x1x1xf32>
// CHECK:         %[[SUMS:.*]] = nn.conv %[[ROUNDED]], %[[WEIGHTS]] bias %{{.*}} {{{.*}}kernel.bf16_pairs{{.*}}} : tensor<1x4x4x16xbf16>, tensor<16x16x1x1xbf16>, tensor<16xf32> -> tensor<1x4x4x16xbf16>
// CHECK:         %[[WIDE:.*]] = nn.cast %[[SUMS]] {to = f32}
// CHECK:         %[[RESIDUAL:.*]] = nn.cast %[[ROUNDED]] {kernel.bf16_pairs, to = f32}
// CHECK:         nn.add %[[WIDE]], %[[RESIDUAL]] : tensor<1x4x4x16xf32>
func.func @block(%x: tensor<1x4x4x16xf32>) -> tensor<1x4x4x16xf32> {
  %w = nn.constant dense<0.3> : tensor<16x16x1x1xf32>
  %b = nn.constant dense<1.0> : tensor<16xf32>
  %0 = nn.relu %x : tensor<1x4x4x16xf32> -> tensor<1x4x4x16xf32>
  %1 = nn.conv %0, %w bias %b {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, layout = #nn.layout<channels_last>} : tensor<1x4x4x16xf32>, tensor<16x16x1x1xf32>, tensor<16xf32> -> tensor<1x4x4x16xf32>
  %2 = nn.add %1, %0 : tensor<1x4x4x16xf32>, tensor<1x4x4x16xf32> -> tensor<1x4x4x16xf32>
  return %2 : tensor<1x4x4x16xf32>
}

// Rounding moves above what only moves numbers.
// CHECK-LABEL: func.func @moved
// CHECK:         nn.silu %{{.*}} : tensor<1x4x4x8xf32>
// CHECK:         nn.cast %{{.*}} {kernel.bf16_pairs, to = bf16} : tensor<1x4x4x8xf32>
// CHECK:         nn.concat {{.*}} -> tensor<1x4x4x16xbf16>
// CHECK:         nn.pool {{.*}} -> tensor<1x2x2x16xbf16>
// CHECK:         nn.conv {{.*}} : tensor<1x2x2x16xbf16>
func.func @moved(%x: tensor<1x4x4x8xf32>, %y: tensor<1x4x4x8xf32>) -> tensor<1x2x2x16xf32> {
  %w = nn.constant dense<0.3> : tensor<16x16x1x1xf32>
  %0 = nn.silu %x : tensor<1x4x4x8xf32> -> tensor<1x4x4x8xf32>
  %1 = nn.concat %0, %y {axis = 3 : i64} : tensor<1x4x4x8xf32>, tensor<1x4x4x8xf32> -> tensor<1x4x4x16xf32>
  %2 = nn.pool %1 {kind = #nn.pool_kind<max>, window = array<i64: 2, 2>, strides = array<i64: 2, 2>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, layout = #nn.layout<channels_last>} : tensor<1x4x4x16xf32> -> tensor<1x2x2x16xf32>
  %3 = nn.conv %2, %w {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, layout = #nn.layout<channels_last>} : tensor<1x2x2x16xf32>, tensor<16x16x1x1xf32> -> tensor<1x2x2x16xf32>
  return %3 : tensor<1x2x2x16xf32>
}

// What leaves the function is not rounded, nor are products that are no pairs: an odd k, variable weights, a group for each channel, few columns.
// CHECK-LABEL: func.func @others
// CHECK:         %[[RELU:.*]] = nn.relu %{{.*}} : tensor<4x16xf32>
// CHECK:         %[[ROUNDED:.*]] = nn.cast %[[RELU]] {kernel.bf16_pairs, to = bf16}
// CHECK:         nn.matmul %[[ROUNDED]]
// CHECK:         nn.matmul {{.*}} : tensor<4x15xf32>, tensor<15x32xf32>
// CHECK:         nn.matmul {{.*}} : tensor<4x16xf32>, tensor<16x16xf32>
// CHECK:         nn.matmul {{.*}} : tensor<4x16xf32>, tensor<16x4xf32>
// CHECK:         return %[[RELU]],
func.func @others(%x: tensor<4x16xf32>, %y: tensor<4x15xf32>, %z: tensor<16x16xf32>) -> (tensor<4x16xf32>, tensor<4x32xf32>, tensor<4x32xf32>, tensor<4x16xf32>, tensor<4x4xf32>) {
  %w = nn.constant dense<0.3> : tensor<16x32xf32>
  %odd = nn.constant dense<0.3> : tensor<15x32xf32>
  %few = nn.constant dense<0.3> : tensor<16x4xf32>
  %0 = nn.relu %x : tensor<4x16xf32> -> tensor<4x16xf32>
  %1 = nn.matmul %0, %w : tensor<4x16xf32>, tensor<16x32xf32> -> tensor<4x32xf32>
  %2 = nn.matmul %y, %odd : tensor<4x15xf32>, tensor<15x32xf32> -> tensor<4x32xf32>
  %3 = nn.matmul %x, %z : tensor<4x16xf32>, tensor<16x16xf32> -> tensor<4x16xf32>
  %4 = nn.matmul %x, %few : tensor<4x16xf32>, tensor<16x4xf32> -> tensor<4x4xf32>
  return %0, %1, %2, %3, %4 : tensor<4x16xf32>, tensor<4x32xf32>, tensor<4x32xf32>, tensor<4x16xf32>, tensor<4x4xf32>
}

// Models of f32 stay as they are where only those of bf16 are asked for.
// OF_BF16-LABEL: func.func @block
// OF_BF16-NOT:     bf16
// OF_BF16-LABEL: func.func @imported
// OF_BF16:         nn.matmul {{.*}} : tensor<4x16xbf16>, tensor<16x32xbf16>
func.func @imported(%x: tensor<4x16xbf16>) -> tensor<4x32xbf16> attributes {tenon.of_bf16} {
  %w = nn.constant dense<0.5> : tensor<16x32xf32>
  %0 = nn.cast %x {to = f32} : tensor<4x16xbf16> -> tensor<4x16xf32>
  %1 = nn.relu %0 : tensor<4x16xf32> -> tensor<4x16xf32>
  %2 = nn.matmul %1, %w : tensor<4x16xf32>, tensor<16x32xf32> -> tensor<4x32xf32>
  %3 = nn.cast %2 {to = bf16} : tensor<4x32xf32> -> tensor<4x32xbf16>
  return %3 : tensor<4x32xbf16>
}

// What a norm gives is added as it is.
// CHECK-LABEL: func.func @norm
// CHECK:         %[[NORM:.*]] = nn.layer_norm
// CHECK:         %[[ROUNDED:.*]] = nn.cast %[[NORM]] {kernel.bf16_pairs, to = bf16}
// CHECK:         nn.matmul %[[ROUNDED]]
// CHECK:         nn.add %{{.*}}, %[[NORM]] : tensor<4x16xf32>
func.func @norm(%x: tensor<4x16xf32>) -> tensor<4x16xf32> {
  %s = nn.constant dense<0.5> : tensor<16xf32>
  %w = nn.constant dense<0.3> : tensor<16x16xf32>
  %0 = nn.layer_norm %x scale %s : tensor<16xf32> {axis = 1 : i64, epsilon = 1.0e-05 : f64} : tensor<4x16xf32> -> tensor<4x16xf32>
  %1 = nn.matmul %0, %w : tensor<4x16xf32>, tensor<16x16xf32> -> tensor<4x16xf32>
  %2 = nn.add %1, %0 : tensor<4x16xf32>, tensor<4x16xf32> -> tensor<4x16xf32>
  return %2 : tensor<4x16xf32>
}

// Between two products a filter of single channels reads bf16 as well.
// CHECK-LABEL: func.func @depthwise
// CHECK:         %[[RELU:.*]] = nn.relu
// CHECK:         %[[ROUNDED:.*]] = nn.cast %[[RELU]] {kernel.bf16_pairs, to = bf16}
// CHECK:         %[[WIDE:.*]] = nn.cast %[[ROUNDED]] {kernel.bf16_pairs, to = f32}
// CHECK:         nn.conv %[[WIDE]], {{.*}}groups = 16{{.*}} -> tensor<1x4x4x16xf32>
func.func @depthwise(%x: tensor<1x4x4x16xf32>) -> tensor<1x4x4x16xf32> {
  %w = nn.constant dense<0.3> : tensor<16x16x1x1xf32>
  %v = nn.constant dense<0.3> : tensor<16x1x3x3xf32>
  %0 = nn.conv %x, %w {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, layout = #nn.layout<channels_last>} : tensor<1x4x4x16xf32>, tensor<16x16x1x1xf32> -> tensor<1x4x4x16xf32>
  %1 = nn.relu %0 : tensor<1x4x4x16xf32> -> tensor<1x4x4x16xf32>
  %2 = nn.conv %1, %v {strides = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>, dilations = array<i64: 1, 1>, groups = 16 : i64, layout = #nn.layout<channels_last>} : tensor<1x4x4x16xf32>, tensor<16x1x3x3xf32> -> tensor<1x4x4x16xf32>
  return %2 : tensor<1x4x4x16xf32>
}
