// RUN: tenon-opt %s --nn-recompose --nn-sink-transposes --cse | FileCheck %s

// Query and key each times sqrt(scale) = 0.5, an added mask, and the form of softmax that is safe for rows without keys.
// CHECK-LABEL: func.func @masked
// CHECK:         %[[Y:.*]] = nn.attention %arg0, %arg1, %arg2 mask %arg3 : tensor<1x1x4x6xf32> {safe, scale = 2.500000e-01 : f64}
// CHECK-NEXT:    return %[[Y]]
func.func @masked(%q: tensor<2x3x4x8xf32>, %k: tensor<2x3x6x8xf32>, %v: tensor<2x3x6x8xf32>, %mask: tensor<1x1x4x6xf32>) -> tensor<2x3x4x8xf32> {
  %half = nn.constant dense<0.5> : tensor<f32>
  %zero = nn.constant dense<0.0> : tensor<f32>
  %kt = nn.transpose %k {perm = array<i64: 0, 1, 3, 2>} : tensor<2x3x6x8xf32> -> tensor<2x3x8x6xf32>
  %qs = nn.mul %q, %half : tensor<2x3x4x8xf32>, tensor<f32> -> tensor<2x3x4x8xf32>
  %ks = nn.mul %kt, %half : tensor<2x3x8x6xf32>, tensor<f32> -> tensor<2x3x8x6xf32>
  %s = nn.matmul %qs, %ks : tensor<2x3x4x8xf32>, tensor<2x3x8x6xf32> -> tensor<2x3x4x6xf32>
  %m = nn.add %s, %mask : tensor<2x3x4x6xf32>, tensor<1x1x4x6xf32> -> tensor<2x3x4x6xf32>
  %p = nn.softmax %m {axis = 3 : i64} : tensor<2x3x4x6xf32> -> tensor<2x3x4x6xf32>
  %nan = nn.is_nan %p : tensor<2x3x4x6xf32> -> tensor<2x3x4x6xi1>
  %safe = nn.select %nan, %zero, %p : tensor<2x3x4x6xi1>, tensor<f32>, tensor<2x3x4x6xf32> -> tensor<2x3x4x6xf32>
  %y = nn.matmul %safe, %v : tensor<2x3x4x6xf32>, tensor<2x3x6x8xf32> -> tensor<2x3x4x8xf32>
  return %y : tensor<2x3x4x8xf32>
}

// Heads in the batch axis (rank 3), the scale a division after the product, a boolean mask that is true where keys are dropped.
// CHECK-LABEL: func.func @boolean
// CHECK:         %[[KEEP:.*]] = nn.not %arg3
// CHECK:         nn.attention %{{.*}}, %{{.*}}, %{{.*}} mask %[[KEEP]] : tensor<1x1x6xi1> {scale = 5.000000e-01 : f64} : tensor<1x3x4x8xf32>
func.func @boolean(%q: tensor<3x4x8xf32>, %k: tensor<3x6x8xf32>, %v: tensor<3x6x8xf32>, %drop: tensor<1x1x6xi1>) -> tensor<3x4x8xf32> {
  %two = nn.constant dense<2.0> : tensor<f32>
  %inf = nn.constant dense<0xFF800000> : tensor<f32>
  %s = nn.matmul %q, %k {transpose_rhs} : tensor<3x4x8xf32>, tensor<3x6x8xf32> -> tensor<3x4x6xf32>
  %d = nn.div %s, %two : tensor<3x4x6xf32>, tensor<f32> -> tensor<3x4x6xf32>
  %m = nn.select %drop, %inf, %d : tensor<1x1x6xi1>, tensor<f32>, tensor<3x4x6xf32> -> tensor<3x4x6xf32>
  %p = nn.softmax %m {axis = 2 : i64} : tensor<3x4x6xf32> -> tensor<3x4x6xf32>
  %y = nn.matmul %p, %v : tensor<3x4x6xf32>, tensor<3x6x8xf32> -> tensor<3x4x8xf32>
  return %y : tensor<3x4x8xf32>
}

// The probabilities are a result themselves: they must be computed, so the parts stay.
// CHECK-LABEL: func.func @visible
// CHECK-NOT:     nn.attention
// CHECK:         nn.softmax
func.func @visible(%q: tensor<3x4x8xf32>, %k: tensor<3x6x8xf32>, %v: tensor<3x6x8xf32>) -> (tensor<3x4x6xf32>, tensor<3x4x8xf32>) {
  %s = nn.matmul %q, %k {transpose_rhs} : tensor<3x4x8xf32>, tensor<3x6x8xf32> -> tensor<3x4x6xf32>
  %p = nn.softmax %s {axis = 2 : i64} : tensor<3x4x6xf32> -> tensor<3x4x6xf32>
  %y = nn.matmul %p, %v : tensor<3x4x6xf32>, tensor<3x6x8xf32> -> tensor<3x4x8xf32>
  return %p, %y : tensor<3x4x6xf32>, tensor<3x4x8xf32>
}
