// RUN: tenon-opt %s --nn-lstms-into-products | FileCheck %s

// The products of all steps' inputs with the weights of both directions, and both biases, come before the steps.
// CHECK-LABEL: func.func @both
// CHECK-DAG:     %[[X:.*]] = nn.reshape %arg0 {dims = #nn.dims<[3 * t, 16]>}
// CHECK-DAG:     %[[W:.*]] = nn.reshape %arg1 {dims = #nn.dims<[512, 16]>}
// CHECK:         %[[P:.*]] = nn.matmul %[[X]], %[[W]] {transpose_rhs}
// CHECK-DAG:     %[[IN:.*]] = nn.slice %arg3 {sizes = #nn.dims<[2, 256]>, starts = #nn.dims<[0, 0]>
// CHECK-DAG:     %[[STATE:.*]] = nn.slice %arg3 {sizes = #nn.dims<[2, 256]>, starts = #nn.dims<[0, 256]>
// CHECK:         %[[B:.*]] = nn.add %[[IN]], %[[STATE]]
// CHECK:         %[[ROW:.*]] = nn.reshape %[[B]] {dims = #nn.dims<[512]>}
// CHECK:         %[[SUM:.*]] = nn.add %[[P]], %[[ROW]]
// CHECK:         %[[G:.*]] = nn.reshape %[[SUM]] {dims = #nn.dims<[t, 3, 2, 256]>}
// CHECK:         %[[R:.*]] = nn.transpose %arg2 {perm = array<i64: 0, 2, 1>}
// CHECK:         nn.recurrence %[[G]], %[[R]] lengths(%arg4 {{.*}}activations = ["Sigmoid", "Tanh", "Tanh"]{{.*}}cell = #nn.cell<lstm>{{.*}}direction = #nn.direction<bidirectional>
// CHECK-NOT:     nn.lstm
func.func @both(%x: tensor<?x3x16xf32, #nn.dims<[t, 3, 16]>>, %w: tensor<2x256x16xf32>, %r: tensor<2x256x64xf32>, %b: tensor<2x512xf32>,
                %l: tensor<3xi32>) -> tensor<?x2x3x64xf32, #nn.dims<[t, 2, 3, 64]>> {
  %s, %h, %c = nn.lstm %x, %w, %r bias(%b : tensor<2x512xf32>) lengths(%l : tensor<3xi32>) {hidden_size = 64 : i64, direction = #nn.direction<bidirectional>}
    : tensor<?x3x16xf32, #nn.dims<[t, 3, 16]>>, tensor<2x256x16xf32>, tensor<2x256x64xf32>
    -> tensor<?x2x3x64xf32, #nn.dims<[t, 2, 3, 64]>>, tensor<2x3x64xf32>, tensor<2x3x64xf32>
  return %s : tensor<?x2x3x64xf32, #nn.dims<[t, 2, 3, 64]>>
}

// Without a bias, and with peepholes.
// CHECK-LABEL: func.func @plain
// CHECK:         %[[P:.*]] = nn.matmul
// CHECK:         %[[G:.*]] = nn.reshape %[[P]]
// CHECK:         nn.recurrence %[[G]], %{{.*}} peephole(%arg3
func.func @plain(%x: tensor<5x1x16xf32>, %w: tensor<1x32x16xf32>, %r: tensor<1x32x8xf32>, %p: tensor<1x24xf32>) -> tensor<1x1x8xf32> {
  %s, %h, %c = nn.lstm %x, %w, %r peephole(%p : tensor<1x24xf32>) {hidden_size = 8 : i64, direction = #nn.direction<forward>}
    : tensor<5x1x16xf32>, tensor<1x32x16xf32>, tensor<1x32x8xf32> -> tensor<5x1x1x8xf32>, tensor<1x1x8xf32>, tensor<1x1x8xf32>
  return %c : tensor<1x1x8xf32>
}
