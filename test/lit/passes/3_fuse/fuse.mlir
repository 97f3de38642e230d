// RUN: tenon-opt %s --fuse | FileCheck %s
// RUN: tenon-opt %s --fuse=summary=true 2>&1 >/dev/null | FileCheck %s --check-prefix=SUMMARY

// Two equal products with ReLU are one kernel, weights its arguments; the scalar lives inside the elementwise kernel. The
// reshape stays outside: it costs nothing. Sizes that the types use are the kernel's symbols.
// CHECK-LABEL: func.func @main
// CHECK:         %[[A:.*]] = kernel.dispatch @matmul_relu_0(%arg0, %[[W:.*]], %[[B:.*]])
// CHECK:         %[[C:.*]] = kernel.dispatch @matmul_relu_0(%[[A]], %{{.*}}, %{{.*}})
// CHECK:         %[[R:.*]] = nn.reshape %[[C]]
// CHECK:         %[[D:.*]] = kernel.dispatch @concat_1(%[[R]], %arg1)
// CHECK:         kernel.dispatch @mul_exp_2(%[[D]])
// CHECK:       kernel.func private @matmul_relu_0(%arg0: tensor<?x4xf32, {{.*}}>, %arg1: tensor<4x4xf32>, %arg2: tensor<4xf32>) -> {{.*}} attributes {symbols = ["n"]
// CHECK-NEXT:    nn.matmul %arg0, %arg1 bias %arg2
// CHECK-NEXT:    nn.relu
// CHECK-NEXT:    kernel.return
// CHECK:       kernel.func private @concat_1
// CHECK:       kernel.func private @mul_exp_2(%arg0: tensor<?xf32, {{.*}}>)
// CHECK-NEXT:    nn.constant dense<2.000000e+00> : tensor<f32>

// SUMMARY: 3 dispatches, 1 concats and 0 slices that may become views, 0 of constants; 3 kernels
func.func @main(%x: tensor<?x4xf32, #nn.dims<[n, 4]>>, %y: tensor<3xf32>) -> tensor<?xf32, #nn.dims<[4 * n + 3]>> {
  %w0 = nn.constant dense_resource<w0> : tensor<4x4xf32>
  %w1 = nn.constant dense_resource<w1> : tensor<4x4xf32>
  %b0 = nn.constant dense_resource<b0> : tensor<4xf32>
  %b1 = nn.constant dense<0.0> : tensor<4xf32>
  %two = nn.constant dense<2.0> : tensor<f32>
  %0 = nn.matmul %x, %w0 bias %b0 : tensor<?x4xf32, #nn.dims<[n, 4]>>, tensor<4x4xf32>, tensor<4xf32> -> tensor<?x4xf32, #nn.dims<[n, 4]>>
  %1 = nn.relu %0 : tensor<?x4xf32, #nn.dims<[n, 4]>> -> tensor<?x4xf32, #nn.dims<[n, 4]>>
  %2 = nn.matmul %1, %w1 bias %b1 : tensor<?x4xf32, #nn.dims<[n, 4]>>, tensor<4x4xf32>, tensor<4xf32> -> tensor<?x4xf32, #nn.dims<[n, 4]>>
  %3 = nn.relu %2 : tensor<?x4xf32, #nn.dims<[n, 4]>> -> tensor<?x4xf32, #nn.dims<[n, 4]>>
  %4 = nn.reshape %3 {dims = #nn.dims<[4 * n]>} : tensor<?x4xf32, #nn.dims<[n, 4]>> -> tensor<?xf32, #nn.dims<[4 * n]>>
  %5 = nn.concat %4, %y {axis = 0 : i64} : tensor<?xf32, #nn.dims<[4 * n]>>, tensor<3xf32> -> tensor<?xf32, #nn.dims<[4 * n + 3]>>
  %6 = nn.mul %5, %two : tensor<?xf32, #nn.dims<[4 * n + 3]>>, tensor<f32> -> tensor<?xf32, #nn.dims<[4 * n + 3]>>
  %7 = nn.exp %6 : tensor<?xf32, #nn.dims<[4 * n + 3]>> -> tensor<?xf32, #nn.dims<[4 * n + 3]>>
  return %7 : tensor<?xf32, #nn.dims<[4 * n + 3]>>
}
