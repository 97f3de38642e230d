// RUN: tenon-opt %s --kernel-assign-schedules=target=cuda:sm_90a --plan-bufferize=target=cuda:sm_90a | FileCheck %s

kernel.func private @rows(%x: tensor<2x4x2x5x2x8xf16>) -> tensor<2x4x2x5x2x8xf16> {
  %0 = nn.relu %x : tensor<2x4x2x5x2x8xf16> -> tensor<2x4x2x5x2x8xf16>
  kernel.return %0 : tensor<2x4x2x5x2x8xf16>
}
kernel.func private @next(%x: tensor<2x8x10x8xf16>) -> tensor<2x8x10x8xf16> {
  %0 = nn.neg %x : tensor<2x8x10x8xf16> -> tensor<2x8x10x8xf16>
  kernel.return %0 : tensor<2x8x10x8xf16>
}
kernel.func private @join(%x: tensor<2x8x10x8xf16>, %y: tensor<2x8x10x8xf16>) -> tensor<2x8x10x16xf16> {
  %0 = nn.concat %x, %y {axis = 3 : i64} : tensor<2x8x10x8xf16>, tensor<2x8x10x8xf16> -> tensor<2x8x10x16xf16>
  kernel.return %0 : tensor<2x8x10x16xf16>
}
kernel.func private @whole(%x: tensor<2x8x10x16xf16>) -> tensor<2x8x10x16xf16> {
  %0 = nn.abs %x : tensor<2x8x10x16xf16> -> tensor<2x8x10x16xf16>
  kernel.return %0 : tensor<2x8x10x16xf16>
}
kernel.func private @apart(%x: tensor<2x8x1x10x1x8xf16>) -> tensor<2x8x1x10x1x8xf16> {
  %0 = nn.relu %x : tensor<2x8x1x10x1x8xf16> -> tensor<2x8x1x10x1x8xf16>
  kernel.return %0 : tensor<2x8x1x10x1x8xf16>
}

// Both operands of the concat are written where it has them: one through the reshape that merges its axes, though another kernel reads it too, the other one read through
// a reshape that takes axes apart.
// CHECK-DAG:   kernel.func private @rows{{.*}} -> (tensor<2x4x2x5x2x8xf16> {kernel.strides = #nn.dims<[1280, 320, 160, 32, 16, 1]>})
// CHECK-DAG:   kernel.func private @apart{{.*}}(%{{[a-z0-9]+}}: tensor<2x8x1x10x1x8xf16> {kernel.strides = #nn.dims<[1280, 160, 160, 16, 16, 1]>})
// CHECK-LABEL: plan.func @main
// CHECK-NOT:     @copy
// CHECK-NOT:     @join
// CHECK:         plan.launch @whole
func.func @main(%x: tensor<2x4x2x5x2x8xf16> {nn.name = "x"}) -> (tensor<2x8x10x16xf16> {nn.name = "y"}, tensor<2x8x1x10x1x8xf16> {nn.name = "z"}) {
  %a = kernel.dispatch @rows(%x) : (tensor<2x4x2x5x2x8xf16>) -> tensor<2x4x2x5x2x8xf16>
  %r = nn.reshape %a {dims = #nn.dims<[2, 8, 10, 8]>} : tensor<2x4x2x5x2x8xf16> -> tensor<2x8x10x8xf16>
  %b = kernel.dispatch @next(%r) : (tensor<2x8x10x8xf16>) -> tensor<2x8x10x8xf16>
  %c = kernel.dispatch @join(%r, %b) : (tensor<2x8x10x8xf16>, tensor<2x8x10x8xf16>) -> tensor<2x8x10x16xf16>
  %d = kernel.dispatch @whole(%c) : (tensor<2x8x10x16xf16>) -> tensor<2x8x10x16xf16>
  %s = nn.reshape %b {dims = #nn.dims<[2, 8, 1, 10, 1, 8]>} : tensor<2x8x10x8xf16> -> tensor<2x8x1x10x1x8xf16>
  %e = kernel.dispatch @apart(%s) : (tensor<2x8x1x10x1x8xf16>) -> tensor<2x8x1x10x1x8xf16>
  return %d, %e : tensor<2x8x10x16xf16>, tensor<2x8x1x10x1x8xf16>
}
