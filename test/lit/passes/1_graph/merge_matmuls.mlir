// RUN: tenon-opt %s --nn-merge-matmuls | FileCheck %s

// Projections of one input: weights side by side, a bias of zeros where there is none, slices of the one product.
// CHECK-LABEL: func.func @projections
// CHECK:         %[[W:.*]] = nn.concat {{.*}} {axis = 1 : i64} : tensor<8x8xf32>, tensor<8x8xf32>, tensor<8x8xf32> -> tensor<8x24xf32>
// CHECK:         %[[B:.*]] = nn.concat {{.*}} -> tensor<24xf32>
// CHECK:         %[[P:.*]] = nn.matmul %arg0, %[[W]] bias %[[B]]
// CHECK:         nn.slice %[[P]] {{.*}}starts = #nn.dims<[0, 0, 0]>
// CHECK:         nn.slice %[[P]] {{.*}}starts = #nn.dims<[0, 0, 8]>
// CHECK:         nn.slice %[[P]] {{.*}}starts = #nn.dims<[0, 0, 16]>
// CHECK-NOT:     nn.matmul
func.func @projections(%x: tensor<1x4x8xf32>) -> tensor<1x2x4x4xf32> {
  %wq = nn.constant dense_resource<q> : tensor<8x8xf32>
  %wk = nn.constant dense_resource<k> : tensor<8x8xf32>
  %wv = nn.constant dense_resource<v> : tensor<8x8xf32>
  %b = nn.constant dense_resource<b> : tensor<8xf32>
  %q = nn.matmul %x, %wq bias %b : tensor<1x4x8xf32>, tensor<8x8xf32>, tensor<8xf32> -> tensor<1x4x8xf32>
  %k = nn.matmul %x, %wk : tensor<1x4x8xf32>, tensor<8x8xf32> -> tensor<1x4x8xf32>
  %v = nn.matmul %x, %wv bias %b : tensor<1x4x8xf32>, tensor<8x8xf32>, tensor<8xf32> -> tensor<1x4x8xf32>
  %q4 = nn.reshape %q {dims = #nn.dims<[1, 4, 2, 4]>} : tensor<1x4x8xf32> -> tensor<1x4x2x4xf32>
  %k4 = nn.reshape %k {dims = #nn.dims<[1, 4, 2, 4]>} : tensor<1x4x8xf32> -> tensor<1x4x2x4xf32>
  %v4 = nn.reshape %v {dims = #nn.dims<[1, 4, 2, 4]>} : tensor<1x4x8xf32> -> tensor<1x4x2x4xf32>
  %qt = nn.transpose %q4 {perm = array<i64: 0, 2, 1, 3>} : tensor<1x4x2x4xf32> -> tensor<1x2x4x4xf32>
  %kt = nn.transpose %k4 {perm = array<i64: 0, 2, 1, 3>} : tensor<1x4x2x4xf32> -> tensor<1x2x4x4xf32>
  %vt = nn.transpose %v4 {perm = array<i64: 0, 2, 1, 3>} : tensor<1x4x2x4xf32> -> tensor<1x2x4x4xf32>
  %y = nn.attention %qt, %kt, %vt {scale = 0.5} : tensor<1x2x4x4xf32>, tensor<1x2x4x4xf32>, tensor<1x2x4x4xf32> -> tensor<1x2x4x4xf32>
  return %y : tensor<1x2x4x4xf32>
}

// One of two products is a result of the function: its slice would have to be copied.
// CHECK-LABEL: func.func @result
// CHECK-COUNT-2: nn.matmul %arg0
func.func @result(%x: tensor<4x8xf32>, %z: tensor<4x8xf32>) -> (tensor<4x8xf32>, tensor<4x4xf32>) {
  %w = nn.constant dense_resource<w> : tensor<8x8xf32>
  %u = nn.constant dense_resource<u> : tensor<8x8xf32>
  %0 = nn.matmul %x, %w : tensor<4x8xf32>, tensor<8x8xf32> -> tensor<4x8xf32>
  %1 = nn.matmul %x, %u : tensor<4x8xf32>, tensor<8x8xf32> -> tensor<4x8xf32>
  %2 = nn.matmul %z, %1 {transpose_rhs} : tensor<4x8xf32>, tensor<4x8xf32> -> tensor<4x4xf32>
  return %0, %2 : tensor<4x8xf32>, tensor<4x4xf32>
}
