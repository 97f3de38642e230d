// RUN: tenon-opt %s --nn-drop-unread-rows | FileCheck %s

// The last layer of a vision transformer, whose head reads the first token: all that is left of the other rows is their keys and values.
// CHECK-LABEL: func.func @class_token
// CHECK:         %[[Q:.*]] = nn.slice %arg0 {sizes = #nn.dims<[1, 2, 1, 8]>
// CHECK:         %[[A:.*]] = nn.attention %[[Q]], %arg1, %arg2 {{.*}} -> tensor<1x2x1x8xf16>
// CHECK:         %[[R:.*]] = nn.reshape %[[A]] {dims = #nn.dims<[1, 1, 16]>}
// CHECK:         %[[O:.*]] = nn.matmul %[[R]], {{.*}} -> tensor<1x1x16xf16>
// CHECK:         %[[X:.*]] = nn.slice %arg3 {sizes = #nn.dims<[1, 1, 16]>
// CHECK:         %[[S:.*]] = nn.add %[[O]], %[[X]]
// CHECK:         %[[N:.*]] = nn.layer_norm %[[S]] {{.*}} -> tensor<1x1x16xf16>
// CHECK:         %[[F:.*]] = nn.matmul %[[N]], {{.*}} -> tensor<1x1x32xf16>
// CHECK:         %[[G:.*]] = nn.gelu %[[F]]
// CHECK:         %[[H:.*]] = nn.matmul %[[G]], {{.*}} -> tensor<1x1x16xf16>
// CHECK:         %[[E:.*]] = nn.add %[[S]], %[[H]]
// CHECK-NEXT:    return %[[E]]
func.func @class_token(%q: tensor<1x2x5x8xf16>, %k: tensor<1x2x5x8xf16>, %v: tensor<1x2x5x8xf16>, %x: tensor<1x5x16xf16>) -> tensor<1x1x16xf16> {
  %w = nn.constant dense<1.0> : tensor<16x16xf16>
  %u = nn.constant dense<1.0> : tensor<16x32xf16>
  %d = nn.constant dense<1.0> : tensor<32x16xf16>
  %g = nn.constant dense<1.0> : tensor<16xf16>
  %0 = nn.attention %q, %k, %v {scale = 0.5 : f64} : tensor<1x2x5x8xf16>, tensor<1x2x5x8xf16>, tensor<1x2x5x8xf16> -> tensor<1x2x5x8xf16>
  %1 = nn.transpose %0 {perm = array<i64: 0, 2, 1, 3>} : tensor<1x2x5x8xf16> -> tensor<1x5x2x8xf16>
  %2 = nn.reshape %1 {dims = #nn.dims<[1, 5, 16]>} : tensor<1x5x2x8xf16> -> tensor<1x5x16xf16>
  %3 = nn.matmul %2, %w : tensor<1x5x16xf16>, tensor<16x16xf16> -> tensor<1x5x16xf16>
  %4 = nn.add %3, %x : tensor<1x5x16xf16>, tensor<1x5x16xf16> -> tensor<1x5x16xf16>
  %5 = nn.layer_norm %4 scale %g : tensor<16xf16> {axis = 2 : i64, epsilon = 1.0e-6 : f64} : tensor<1x5x16xf16> -> tensor<1x5x16xf16>
  %6 = nn.matmul %5, %u : tensor<1x5x16xf16>, tensor<16x32xf16> -> tensor<1x5x32xf16>
  %7 = nn.gelu %6 : tensor<1x5x32xf16> -> tensor<1x5x32xf16>
  %8 = nn.matmul %7, %d : tensor<1x5x32xf16>, tensor<32x16xf16> -> tensor<1x5x16xf16>
  %9 = nn.add %4, %8 : tensor<1x5x16xf16>, tensor<1x5x16xf16> -> tensor<1x5x16xf16>
  %10 = nn.slice %9 {starts = #nn.dims<[0, 0, 0]>, sizes = #nn.dims<[1, 1, 16]>, steps = array<i64: 1, 1, 1>} : tensor<1x5x16xf16> -> tensor<1x1x16xf16>
  return %10 : tensor<1x1x16xf16>
}

// What is added to all rows alike stays whole; of each image one row is left, whose operands are read with strides.
// CHECK-LABEL: func.func @broadcast
// CHECK:         %[[X:.*]] = nn.slice %arg0 {sizes = #nn.dims<[4, 1, 16]>, starts = #nn.dims<[0, 2, 0]>
// CHECK:         %[[Y:.*]] = nn.matmul %[[X]], %{{.*}} : tensor<4x1x16xf16>
// CHECK:         %[[P:.*]] = nn.slice %arg1 {sizes = #nn.dims<[1, 16]>, starts = #nn.dims<[2, 0]>
// CHECK:         %[[S:.*]] = nn.add %[[Y]], %[[P]] : {{.*}} -> tensor<4x1x16xf16>
// CHECK:         nn.add %[[S]], %arg2 : {{.*}} -> tensor<4x1x16xf16>
func.func @broadcast(%x: tensor<4x5x16xf16>, %p: tensor<5x16xf16>, %c: tensor<1x16xf16>) -> tensor<4x1x16xf16> {
  %w = nn.constant dense<1.0> : tensor<16x16xf16>
  %0 = nn.matmul %x, %w : tensor<4x5x16xf16>, tensor<16x16xf16> -> tensor<4x5x16xf16>
  %1 = nn.add %0, %p : tensor<4x5x16xf16>, tensor<5x16xf16> -> tensor<4x5x16xf16>
  %2 = nn.add %1, %c : tensor<4x5x16xf16>, tensor<1x16xf16> -> tensor<4x5x16xf16>
  %3 = nn.slice %2 {starts = #nn.dims<[0, 2, 0]>, sizes = #nn.dims<[4, 1, 16]>, steps = array<i64: 1, 1, 1>} : tensor<4x5x16xf16> -> tensor<4x1x16xf16>
  return %3 : tensor<4x1x16xf16>
}

// Both parts are read: nothing is computed twice.
// CHECK-LABEL: func.func @both
// CHECK:         %[[Y:.*]] = nn.matmul %arg0
// CHECK-DAG:     nn.slice %[[Y]] {{.*}}starts = #nn.dims<[0, 0]>
// CHECK-DAG:     nn.slice %[[Y]] {{.*}}starts = #nn.dims<[2, 0]>
func.func @both(%x: tensor<4x16xf16>) -> (tensor<2x16xf16>, tensor<2x16xf16>) {
  %w = nn.constant dense<1.0> : tensor<16x16xf16>
  %0 = nn.matmul %x, %w : tensor<4x16xf16>, tensor<16x16xf16> -> tensor<4x16xf16>
  %1 = nn.slice %0 {starts = #nn.dims<[0, 0]>, sizes = #nn.dims<[2, 16]>, steps = array<i64: 1, 1>} : tensor<4x16xf16> -> tensor<2x16xf16>
  %2 = nn.slice %0 {starts = #nn.dims<[2, 0]>, sizes = #nn.dims<[2, 16]>, steps = array<i64: 1, 1>} : tensor<4x16xf16> -> tensor<2x16xf16>
  return %1, %2 : tensor<2x16xf16>, tensor<2x16xf16>
}

// Columns of a product, rows that a mask or causality counts, columns of a norm: none of them is that of a slice alone.
// CHECK-LABEL: func.func @others
// CHECK:         %[[Y:.*]] = nn.matmul %arg0, {{.*}} -> tensor<4x16xf16>
// CHECK:         nn.slice %[[Y]]
// CHECK:         %[[A:.*]] = nn.attention %arg1, {{.*}} -> tensor<1x2x5x8xf16>
// CHECK:         nn.slice %[[A]]
// CHECK:         %[[N:.*]] = nn.layer_norm {{.*}} -> tensor<4x16xf16>
// CHECK:         nn.slice %[[N]]
func.func @others(%x: tensor<4x16xf16>, %q: tensor<1x2x5x8xf16>) -> (tensor<4x8xf16>, tensor<1x2x1x8xf16>, tensor<4x8xf16>) {
  %w = nn.constant dense<1.0> : tensor<16x16xf16>
  %0 = nn.matmul %x, %w : tensor<4x16xf16>, tensor<16x16xf16> -> tensor<4x16xf16>
  %1 = nn.slice %0 {starts = #nn.dims<[0, 0]>, sizes = #nn.dims<[4, 8]>, steps = array<i64: 1, 1>} : tensor<4x16xf16> -> tensor<4x8xf16>
  %2 = nn.attention %q, %q, %q {scale = 0.5 : f64, causal} : tensor<1x2x5x8xf16>, tensor<1x2x5x8xf16>, tensor<1x2x5x8xf16> -> tensor<1x2x5x8xf16>
  %3 = nn.slice %2 {starts = #nn.dims<[0, 0, 0, 0]>, sizes = #nn.dims<[1, 2, 1, 8]>, steps = array<i64: 1, 1, 1, 1>} : tensor<1x2x5x8xf16> -> tensor<1x2x1x8xf16>
  %b = nn.constant dense<1.0> : tensor<16xf16>
  %4 = nn.matmul %x, %w bias %b {transpose_rhs} : tensor<4x16xf16>, tensor<16x16xf16>, tensor<16xf16> -> tensor<4x16xf16>
  %5 = nn.layer_norm %4 {axis = 1 : i64, epsilon = 1.0e-6 : f64} : tensor<4x16xf16> -> tensor<4x16xf16>
  %6 = nn.slice %5 {starts = #nn.dims<[0, 0]>, sizes = #nn.dims<[4, 8]>, steps = array<i64: 1, 1>} : tensor<4x16xf16> -> tensor<4x8xf16>
  return %1, %3, %6 : tensor<4x8xf16>, tensor<1x2x1x8xf16>, tensor<4x8xf16>
}

// Behind what is no product a slice stays where it is, and the ops before it in one kernel.
// CHECK-LABEL: func.func @elementwise
// CHECK:         %[[R:.*]] = nn.relu %arg0
// CHECK:         nn.slice %[[R]]
func.func @elementwise(%x: tensor<4x16xf16>) -> tensor<1x16xf16> {
  %0 = nn.relu %x : tensor<4x16xf16> -> tensor<4x16xf16>
  %1 = nn.slice %0 {starts = #nn.dims<[0, 0]>, sizes = #nn.dims<[1, 16]>, steps = array<i64: 1, 1>} : tensor<4x16xf16> -> tensor<1x16xf16>
  return %1 : tensor<1x16xf16>
}
