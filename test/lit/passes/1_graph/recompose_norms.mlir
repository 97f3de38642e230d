// RUN: tenon-opt %s --nn-recompose --cse --nn-recompose --cse | FileCheck %s

// CHECK-LABEL: func.func @layer_norm
// CHECK:         %[[Y:.*]] = nn.layer_norm %arg0 scale %arg1 : tensor<8xf32> bias %arg2 : tensor<8xf32> {axis = 2 : i64, epsilon = {{.*}}}
// CHECK-NEXT:    return %[[Y]]
func.func @layer_norm(%x: tensor<2x4x8xf32>, %scale: tensor<8xf32>, %bias: tensor<8xf32>) -> tensor<2x4x8xf32> {
  %two = nn.constant dense<2.0> : tensor<f32>
  %epsilon = nn.constant dense<1.0e-5> : tensor<f32>
  %mean = nn.reduce %x {kind = #nn.reduce_kind<mean>, axes = array<i64: 2>, keep_dims} : tensor<2x4x8xf32> -> tensor<2x4x1xf32>
  %d = nn.sub %x, %mean : tensor<2x4x8xf32>, tensor<2x4x1xf32> -> tensor<2x4x8xf32>
  %sq = nn.pow %d, %two : tensor<2x4x8xf32>, tensor<f32> -> tensor<2x4x8xf32>
  %var = nn.reduce %sq {kind = #nn.reduce_kind<mean>, axes = array<i64: 2>, keep_dims} : tensor<2x4x8xf32> -> tensor<2x4x1xf32>
  %0 = nn.add %var, %epsilon : tensor<2x4x1xf32>, tensor<f32> -> tensor<2x4x1xf32>
  %1 = nn.sqrt %0 : tensor<2x4x1xf32> -> tensor<2x4x1xf32>
  %2 = nn.div %d, %1 : tensor<2x4x8xf32>, tensor<2x4x1xf32> -> tensor<2x4x8xf32>
  %3 = nn.mul %2, %scale : tensor<2x4x8xf32>, tensor<8xf32> -> tensor<2x4x8xf32>
  %4 = nn.add %3, %bias : tensor<2x4x8xf32>, tensor<8xf32> -> tensor<2x4x8xf32>
  return %4 : tensor<2x4x8xf32>
}

// The variance as mean(x^2) - mean(x)^2 from sums times 1/8, clamped at 0; the gain multiplied into the reciprocal (JAX).
// CHECK-LABEL: func.func @layer_norm_from_sums
// CHECK:         nn.layer_norm %arg0 scale %{{.*}} : tensor<8xf32> {axis = 1 : i64
// CHECK-NOT:     nn.reduce
// CHECK:         return
func.func @layer_norm_from_sums(%x: tensor<4x8xf32>, %scale: tensor<1x8xf32>) -> tensor<4x8xf32> {
  %eighth = nn.constant dense<0.125> : tensor<f32>
  %zero = nn.constant dense<0.0> : tensor<f32>
  %epsilon = nn.constant dense<1.0e-6> : tensor<f32>
  %s = nn.reduce %x {kind = #nn.reduce_kind<sum>, axes = array<i64: 1>} : tensor<4x8xf32> -> tensor<4xf32>
  %m = nn.mul %s, %eighth : tensor<4xf32>, tensor<f32> -> tensor<4xf32>
  %xx = nn.mul %x, %x : tensor<4x8xf32>, tensor<4x8xf32> -> tensor<4x8xf32>
  %ss = nn.reduce %xx {kind = #nn.reduce_kind<sum>, axes = array<i64: 1>} : tensor<4x8xf32> -> tensor<4xf32>
  %mm = nn.mul %ss, %eighth : tensor<4xf32>, tensor<f32> -> tensor<4xf32>
  %m2 = nn.mul %m, %m : tensor<4xf32>, tensor<4xf32> -> tensor<4xf32>
  %v = nn.sub %mm, %m2 : tensor<4xf32>, tensor<4xf32> -> tensor<4xf32>
  %v0 = nn.max %zero, %v : tensor<f32>, tensor<4xf32> -> tensor<4xf32>
  %vr = nn.reshape %v0 {dims = #nn.dims<[4, 1]>} : tensor<4xf32> -> tensor<4x1xf32>
  %ve = nn.add %vr, %epsilon : tensor<4x1xf32>, tensor<f32> -> tensor<4x1xf32>
  %root = nn.sqrt %ve : tensor<4x1xf32> -> tensor<4x1xf32>
  %r = nn.reciprocal %root : tensor<4x1xf32> -> tensor<4x1xf32>
  %g = nn.mul %r, %scale : tensor<4x1xf32>, tensor<1x8xf32> -> tensor<4x8xf32>
  %mr = nn.reshape %m {dims = #nn.dims<[4, 1]>} : tensor<4xf32> -> tensor<4x1xf32>
  %d = nn.sub %x, %mr : tensor<4x8xf32>, tensor<4x1xf32> -> tensor<4x8xf32>
  %y = nn.mul %d, %g : tensor<4x8xf32>, tensor<4x8xf32> -> tensor<4x8xf32>
  return %y : tensor<4x8xf32>
}

// CHECK-LABEL: func.func @rms_norm
// CHECK:         nn.rms_norm %arg0 scale %arg1 : tensor<8xf32> {axis = 1 : i64
func.func @rms_norm(%x: tensor<4x8xf32>, %scale: tensor<8xf32>) -> tensor<4x8xf32> {
  %epsilon = nn.constant dense<1.0e-6> : tensor<f32>
  %xx = nn.mul %x, %x : tensor<4x8xf32>, tensor<4x8xf32> -> tensor<4x8xf32>
  %m = nn.reduce %xx {kind = #nn.reduce_kind<mean>, axes = array<i64: 1>, keep_dims} : tensor<4x8xf32> -> tensor<4x1xf32>
  %0 = nn.add %m, %epsilon : tensor<4x1xf32>, tensor<f32> -> tensor<4x1xf32>
  %1 = nn.sqrt %0 : tensor<4x1xf32> -> tensor<4x1xf32>
  %2 = nn.reciprocal %1 : tensor<4x1xf32> -> tensor<4x1xf32>
  %3 = nn.mul %x, %2 : tensor<4x8xf32>, tensor<4x1xf32> -> tensor<4x8xf32>
  %4 = nn.mul %scale, %3 : tensor<8xf32>, tensor<4x8xf32> -> tensor<4x8xf32>
  return %4 : tensor<4x8xf32>
}

// exp(x - max) / sum(exp(x - max)) is softmax; exp(x) / sum(exp(x)) overflows where softmax does not, and stays.
// CHECK-LABEL: func.func @softmax
// CHECK:         nn.softmax %arg0 {axis = 1 : i64}
// CHECK:         nn.exp %arg0
// CHECK:         nn.div
func.func @softmax(%x: tensor<4x8xf32>) -> (tensor<4x8xf32>, tensor<4x8xf32>) {
  %max = nn.reduce %x {kind = #nn.reduce_kind<max>, axes = array<i64: 1>, keep_dims} : tensor<4x8xf32> -> tensor<4x1xf32>
  %0 = nn.sub %x, %max : tensor<4x8xf32>, tensor<4x1xf32> -> tensor<4x8xf32>
  %1 = nn.exp %0 : tensor<4x8xf32> -> tensor<4x8xf32>
  %2 = nn.reduce %1 {kind = #nn.reduce_kind<sum>, axes = array<i64: 1>, keep_dims} : tensor<4x8xf32> -> tensor<4x1xf32>
  %3 = nn.div %1, %2 : tensor<4x8xf32>, tensor<4x1xf32> -> tensor<4x8xf32>
  %4 = nn.exp %x : tensor<4x8xf32> -> tensor<4x8xf32>
  %5 = nn.reduce %4 {kind = #nn.reduce_kind<sum>, axes = array<i64: 1>, keep_dims} : tensor<4x8xf32> -> tensor<4x1xf32>
  %6 = nn.div %4, %5 : tensor<4x8xf32>, tensor<4x1xf32> -> tensor<4x8xf32>
  return %3, %6 : tensor<4x8xf32>, tensor<4x8xf32>
}
