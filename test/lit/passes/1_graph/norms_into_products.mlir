// RUN: tenon-opt %s --nn-norms-into-products | FileCheck %s

// The product before gives sums of parts of its rows; the one after multiplies by scaled weights what is not normalized, and corrects its result by
// the sums of their columns, as they are rounded.
// CHECK-LABEL: func.func @between
// CHECK:         %[[X:.*]] = nn.add
// CHECK:         %[[R:.*]] = nn.reshape %[[X]] {dims = #nn.dims<[1, 5, 2, 32]>, kernel.row_sums}
// CHECK:         %[[F:.*]] = nn.cast %[[R]] {kernel.row_sums, to = f32}
// CHECK:         %[[S:.*]] = nn.reduce %[[F]] {axes = array<i64: 3>, kernel.row_sums, kind = #nn.reduce_kind<sum>} {{.*}} -> tensor<1x5x2xf32>
// CHECK:         %[[Q:.*]] = nn.reduce %[[F]] {axes = array<i64: 3>, kernel.row_sums, kind = #nn.reduce_kind<sum_square>}
// CHECK-NOT:     nn.layer_norm
// CHECK-DAG:     nn.reduce %[[S]] {axes = array<i64: 2>, keep_dims, kernel.row_value, kind = #nn.reduce_kind<sum>} {{.*}} -> tensor<1x5x1xf32>
// CHECK-DAG:     nn.reduce %[[Q]] {axes = array<i64: 2>, keep_dims, kernel.row_value
// CHECK:         %[[RSTD:.*]] = nn.reciprocal %{{.*}} {kernel.row_value}
// CHECK:         %[[SHIFT:.*]] = nn.mul %{{.*}}, %[[RSTD]] {kernel.row_value}
// CHECK:         %[[W:.*]] = nn.cast %{{.*}} {to = f16} : tensor<64x96xf32>
// CHECK:         %[[W32:.*]] = nn.cast %[[W]] {to = f32}
// CHECK:         %[[C:.*]] = nn.reduce %[[W32]] {axes = array<i64: 0>
// CHECK:         %[[P:.*]] = nn.matmul %[[X]], %[[W]] : tensor<1x5x64xf16>
// CHECK:         %[[P32:.*]] = nn.cast %[[P]] {to = f32}
// CHECK:         %[[SCALED:.*]] = nn.mul %[[P32]], %[[RSTD]]
// CHECK:         %[[MOVED:.*]] = nn.mul %[[SHIFT]], %[[C]] {kernel.row_value}
// CHECK:         %[[Y:.*]] = nn.sub %[[SCALED]], %[[MOVED]]
// CHECK:         nn.add %[[Y]]
func.func @between(%x: tensor<1x5x32xf16>, %r: tensor<1x5x64xf16>) -> (tensor<1x5x96xf16>, tensor<1x5x64xf16>) {
  %w0 = nn.constant dense_resource<w0> : tensor<32x64xf16>
  %w = nn.constant dense_resource<w> : tensor<64x96xf16>
  %b = nn.constant dense_resource<b> : tensor<96xf16>
  %g = nn.constant dense_resource<g> : tensor<64xf16>
  %0 = nn.matmul %x, %w0 : tensor<1x5x32xf16>, tensor<32x64xf16> -> tensor<1x5x64xf16>
  %1 = nn.add %0, %r : tensor<1x5x64xf16>, tensor<1x5x64xf16> -> tensor<1x5x64xf16>
  %2 = nn.layer_norm %1 scale %g : tensor<64xf16> bias %g : tensor<64xf16> {axis = 2 : i64, epsilon = 1.0e-6 : f64} : tensor<1x5x64xf16> -> tensor<1x5x64xf16>
  %3 = nn.matmul %2, %w bias %b : tensor<1x5x64xf16>, tensor<64x96xf16>, tensor<96xf16> -> tensor<1x5x96xf16>
  return %3, %1 : tensor<1x5x96xf16>, tensor<1x5x64xf16>
}

// A norm that is added to a later product, too, is computed again there: it is never written.
// CHECK-LABEL: func.func @after
// CHECK-NOT:     nn.layer_norm
// CHECK:         nn.matmul {{.*}}tensor<64x64xf16>
// CHECK:         %[[X32:.*]] = nn.cast %[[X:.*]] {kernel.row_value, to = f32} : tensor<1x5x64xf16>
// CHECK:         nn.mul %[[X32]], %{{.*}} {kernel.row_value} : tensor<1x5x64xf32>, tensor<1x5x1xf32>
// CHECK:         nn.sub
// CHECK:         %[[N:.*]] = nn.cast %{{.*}} {kernel.row_value, to = f16} : tensor<1x5x64xf32> -> tensor<1x5x64xf16>
// CHECK:         nn.add %{{.*}}, %[[N]]
func.func @after(%x: tensor<1x5x32xf16>) -> tensor<1x5x64xf16> {
  %w0 = nn.constant dense_resource<w0> : tensor<32x64xf16>
  %w = nn.constant dense_resource<w2> : tensor<64x64xf16>
  %0 = nn.matmul %x, %w0 : tensor<1x5x32xf16>, tensor<32x64xf16> -> tensor<1x5x64xf16>
  %1 = nn.layer_norm %0 {axis = 2 : i64, epsilon = 1.0e-6 : f64} : tensor<1x5x64xf16> -> tensor<1x5x64xf16>
  %2 = nn.matmul %1, %w {transpose_rhs} : tensor<1x5x64xf16>, tensor<64x64xf16> -> tensor<1x5x64xf16>
  %3 = nn.add %2, %1 : tensor<1x5x64xf16>, tensor<1x5x64xf16> -> tensor<1x5x64xf16>
  return %3 : tensor<1x5x64xf16>
}

// A norm that something else reads, of something that no product ends with, or of f32, stays.
// CHECK-LABEL: func.func @stay
// CHECK-COUNT-3: nn.layer_norm
// CHECK-NOT:     kernel.row
func.func @stay(%x: tensor<1x5x32xf16>, %y: tensor<1x5x32xf32>) -> (tensor<1x5x64xf16>, tensor<1x5x32xf16>, tensor<1x5x32xf32>) {
  %w0 = nn.constant dense_resource<w0> : tensor<32x64xf16>
  %w1 = nn.constant dense_resource<w1> : tensor<32x32xf16>
  %w2 = nn.constant dense_resource<w3> : tensor<32x32xf32>
  %0 = nn.matmul %x, %w0 : tensor<1x5x32xf16>, tensor<32x64xf16> -> tensor<1x5x64xf16>
  %1 = nn.layer_norm %0 {axis = 2 : i64, epsilon = 1.0e-6 : f64} : tensor<1x5x64xf16> -> tensor<1x5x64xf16>
  %2 = nn.layer_norm %x {axis = 2 : i64, epsilon = 1.0e-6 : f64} : tensor<1x5x32xf16> -> tensor<1x5x32xf16>
  %3 = nn.matmul %2, %w1 : tensor<1x5x32xf16>, tensor<32x32xf16> -> tensor<1x5x32xf16>
  %4 = nn.matmul %y, %w2 : tensor<1x5x32xf32>, tensor<32x32xf32> -> tensor<1x5x32xf32>
  %5 = nn.layer_norm %4 {axis = 2 : i64, epsilon = 1.0e-6 : f64} : tensor<1x5x32xf32> -> tensor<1x5x32xf32>
  %6 = nn.matmul %5, %w2 : tensor<1x5x32xf32>, tensor<32x32xf32> -> tensor<1x5x32xf32>
  return %1, %3, %6 : tensor<1x5x64xf16>, tensor<1x5x32xf16>, tensor<1x5x32xf32>
}

