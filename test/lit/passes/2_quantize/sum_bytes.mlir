// RUN: tenon-opt %s --nn-sum-bytes --canonicalize | FileCheck %s

// The mean of scaled bytes is scaled once; of a maximum nothing changes.
// CHECK-LABEL: func.func @pooled
// CHECK:         %[[BYTES:.*]] = nn.sub %{{.*}}, %{{.*}} : tensor<1x8x8x16xf32>
// CHECK:         %[[SCALED:.*]] = nn.mul %[[BYTES]], %{{.*}} : tensor<1x8x8x16xf32>
// CHECK:         %[[MEAN:.*]] = nn.reduce %[[BYTES]] {axes = array<i64: 1, 2>, keep_dims, kind = #nn.reduce_kind<mean>}
// CHECK:         nn.mul %[[MEAN]], %{{.*}} : tensor<1x1x1x16xf32>, tensor<f32> -> tensor<1x1x1x16xf32>
// CHECK:         nn.reduce %[[SCALED]] {axes = array<i64: 1, 2>, kind = #nn.reduce_kind<max>}
func.func @pooled(%x: tensor<1x8x8x16xui8>) -> (tensor<1x1x1x16xf32>, tensor<1x16xf32>) {
  %z = nn.constant dense<7.0> : tensor<f32>
  %s = nn.constant dense<0.0605> : tensor<f32>
  %0 = nn.cast %x {to = f32} : tensor<1x8x8x16xui8> -> tensor<1x8x8x16xf32>
  %1 = nn.sub %0, %z : tensor<1x8x8x16xf32>, tensor<f32> -> tensor<1x8x8x16xf32>
  %2 = nn.mul %1, %s : tensor<1x8x8x16xf32>, tensor<f32> -> tensor<1x8x8x16xf32>
  %3 = nn.reduce %2 {kind = #nn.reduce_kind<mean>, axes = array<i64: 1, 2>, keep_dims} : tensor<1x8x8x16xf32> -> tensor<1x1x1x16xf32>
  %4 = nn.reduce %2 {kind = #nn.reduce_kind<max>, axes = array<i64: 1, 2>} : tensor<1x8x8x16xf32> -> tensor<1x16xf32>
  return %3, %4 : tensor<1x1x1x16xf32>, tensor<1x16xf32>
}

// A scale for each channel, and a zero point that is no whole number, stay where they are.
// CHECK-LABEL: func.func @others
// CHECK:         nn.mul {{.*}} : tensor<1x8x8x16xf32>, tensor<16xf32>
// CHECK:         nn.reduce
// CHECK:         nn.mul {{.*}} : tensor<1x8x8x16xf32>, tensor<f32>
// CHECK:         nn.reduce
// CHECK-NOT:     nn.mul
func.func @others(%x: tensor<1x8x8x16xui8>, %scales: tensor<16xf32>) -> (tensor<1x16xf32>, tensor<1x16xf32>) {
  %z = nn.constant dense<7.5> : tensor<f32>
  %s = nn.constant dense<0.0605> : tensor<f32>
  %0 = nn.cast %x {to = f32} : tensor<1x8x8x16xui8> -> tensor<1x8x8x16xf32>
  %1 = nn.mul %0, %scales : tensor<1x8x8x16xf32>, tensor<16xf32> -> tensor<1x8x8x16xf32>
  %2 = nn.reduce %1 {kind = #nn.reduce_kind<sum>, axes = array<i64: 1, 2>} : tensor<1x8x8x16xf32> -> tensor<1x16xf32>
  %3 = nn.sub %0, %z : tensor<1x8x8x16xf32>, tensor<f32> -> tensor<1x8x8x16xf32>
  %4 = nn.mul %3, %s : tensor<1x8x8x16xf32>, tensor<f32> -> tensor<1x8x8x16xf32>
  %5 = nn.reduce %4 {kind = #nn.reduce_kind<mean>, axes = array<i64: 1, 2>} : tensor<1x8x8x16xf32> -> tensor<1x16xf32>
  return %2, %5 : tensor<1x16xf32>, tensor<1x16xf32>
}
