// RUN: tenon-opt %s --kernel-assign-schedules=target=x86-64-v3 | FileCheck %s
// RUN: tenon-opt %s --kernel-assign-schedules=target=x86-64-v3 --kernel-pack-constants=target=x86-64-v3 | FileCheck %s --check-prefix=PACK

// The same product once with weights and once with two activations: the kernel becomes two, and only one of them may pack.
// CHECK:       kernel.func private @[[COMPUTED:[a-z_0-9]+]](%{{[a-z0-9]+}}: tensor<32x64xf32>, %{{[a-z0-9]+}}: tensor<64x32xf32>)
// CHECK-SAME:    schedule = #kernel.schedule<"contraction"
// CHECK:       kernel.func private @[[WEIGHTS:[a-z_0-9]+]](%{{[a-z0-9]+}}: tensor<32x64xf32>, %{{[a-z0-9]+}}: tensor<64x32xf32> {kernel.constant})
// PACK:        kernel.func private @matmul_0(%arg0: tensor<32x64xf32>, %arg1: tensor<1x2x64x16xf32> {kernel.constant})
// PACK-NEXT:     kernel.unpack %arg1 {packing = #kernel.packing<padded = [64, 32], split = [1, 64, 2, 16], perm = [0, 2, 1, 3]>}
// PACK-LABEL:  func.func @main
// PACK:          %[[PANELS:.*]] = nn.transpose
// PACK:          kernel.dispatch @matmul_0(%arg0, %[[PANELS]])
kernel.func private @matmul(%a: tensor<32x64xf32>, %b: tensor<64x32xf32>) -> tensor<32x32xf32> {
  %0 = nn.matmul %a, %b : tensor<32x64xf32>, tensor<64x32xf32> -> tensor<32x32xf32>
  kernel.return %0 : tensor<32x32xf32>
}
// CHECK-LABEL: func.func @main
// CHECK:         kernel.dispatch @[[WEIGHTS]](
// CHECK:         kernel.dispatch @[[COMPUTED]](
func.func @main(%x: tensor<32x64xf32>, %y: tensor<64x32xf32>) -> (tensor<32x32xf32>, tensor<32x32xf32>) {
  %w = nn.constant dense<0.5> : tensor<64x32xf32>
  %0 = kernel.dispatch @matmul(%x, %w) : (tensor<32x64xf32>, tensor<64x32xf32>) -> tensor<32x32xf32>
  %1 = kernel.dispatch @matmul(%x, %y) : (tensor<32x64xf32>, tensor<64x32xf32>) -> tensor<32x32xf32>
  return %0, %1 : tensor<32x32xf32>, tensor<32x32xf32>
}
