// RUN: tenon-opt %s --kernel-assign-schedules=target=cuda:sm_90a --plan-bufferize=target=cuda:sm_90a | FileCheck %s
// RUN: tenon-opt %s --kernel-assign-schedules=target=x86-64-v3 --plan-bufferize=target=x86-64-v3 | FileCheck %s --check-prefix=CPU

kernel.func private @large(%x: tensor<2x4x4x64xf16>) -> tensor<2x4x4x64xf16> {
  %0 = nn.relu %x : tensor<2x4x4x64xf16> -> tensor<2x4x4x64xf16>
  kernel.return %0 : tensor<2x4x4x64xf16>
}
kernel.func private @small(%x: tensor<2x2x2x64xf16>) -> tensor<2x2x2x64xf16> {
  %0 = nn.relu %x : tensor<2x2x2x64xf16> -> tensor<2x2x2x64xf16>
  kernel.return %0 : tensor<2x2x2x64xf16>
}
kernel.func private @concat(%x: tensor<2x16x64xf16>, %y: tensor<2x4x64xf16>) -> tensor<2x20x64xf16> {
  %0 = nn.concat %x, %y {axis = 1 : i64} : tensor<2x16x64xf16>, tensor<2x4x64xf16> -> tensor<2x20x64xf16>
  kernel.return %0 : tensor<2x20x64xf16>
}
kernel.func private @negate(%x: tensor<2x20x64xf16>) -> tensor<2x20x64xf16> {
  %0 = nn.neg %x : tensor<2x20x64xf16> -> tensor<2x20x64xf16>
  kernel.return %0 : tensor<2x20x64xf16>
}

// Pixels of images of two sizes, all in one row: each kernel writes them where the row has them, through the reshape. On a CPU the concat copies.
// CHECK:       kernel.func private @large{{[_0-9]*}}(%{{[a-z0-9]+}}: tensor<2x4x4x64xf16>) -> (tensor<2x4x4x64xf16> {kernel.strides = #nn.dims<[1280, 256, 64, 1]>})
// CHECK:       kernel.func private @small{{[_0-9]*}}(%{{[a-z0-9]+}}: tensor<2x2x2x64xf16>) -> (tensor<2x2x2x64xf16> {kernel.strides = #nn.dims<[1280, 128, 64, 1]>})
// CHECK-LABEL: plan.func @main
// CHECK:         %[[BUFFER:.*]] = plan.alloc size(<5120>)
// CHECK:         plan.launch @large{{.*}} -> (%[[BUFFER]])
// CHECK:         %[[VIEW:.*]] = plan.view %[[BUFFER]] offset(<2048>)
// CHECK:         plan.launch @small{{.*}} -> (%[[VIEW]])
// CHECK-NOT:     @concat
// CHECK:         plan.launch @negate{{.*}}(%[[BUFFER]])
// CPU-LABEL:   plan.func @main
// CPU:           plan.launch @concat
func.func @main(%x: tensor<2x4x4x64xf16> {nn.name = "x"}, %y: tensor<2x2x2x64xf16> {nn.name = "y"}) -> (tensor<2x20x64xf16> {nn.name = "z"}) {
  %a = kernel.dispatch @large(%x) : (tensor<2x4x4x64xf16>) -> tensor<2x4x4x64xf16>
  %b = kernel.dispatch @small(%y) : (tensor<2x2x2x64xf16>) -> tensor<2x2x2x64xf16>
  %c = nn.reshape %a {dims = #nn.dims<[2, 16, 64]>} : tensor<2x4x4x64xf16> -> tensor<2x16x64xf16>
  %d = nn.reshape %b {dims = #nn.dims<[2, 4, 64]>} : tensor<2x2x2x64xf16> -> tensor<2x4x64xf16>
  %e = kernel.dispatch @concat(%c, %d) : (tensor<2x16x64xf16>, tensor<2x4x64xf16>) -> tensor<2x20x64xf16>
  %f = kernel.dispatch @negate(%e) : (tensor<2x20x64xf16>) -> tensor<2x20x64xf16>
  return %f : tensor<2x20x64xf16>
}
