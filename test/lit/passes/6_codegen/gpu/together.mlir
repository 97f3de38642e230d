// RUN: tenon-opt %s --kernel-assign-schedules=target=cuda:sm_90 --codegen-emit-cpu="target=cuda:sm_90 assembly" | FileCheck %s

// All threads of a warp take part in an exchange: none is behind a branch that some of them take, nor copies of one behind both of its sides, where threads would wait for each
// other without end. LLVM peels the first step and the last one off the loop: three exchanges each, for three gates.
// CHECK-LABEL: .visible .entry few_units(
// CHECK:         bar.sync
// CHECK-NOT:     bra
// CHECK-COUNT-3: shfl.sync
// CHECK-NOT:     bra
// CHECK:         bar.sync
// CHECK:         bar.sync
// CHECK-NOT:     bra
// CHECK-COUNT-3: shfl.sync
// CHECK-NOT:     bra
// CHECK:         bar.sync
// CHECK:         bar.sync
// CHECK-NOT:     bra
// CHECK-COUNT-3: shfl.sync
// CHECK-NOT:     bra
// CHECK:         bar.sync
// CHECK-NOT:     shfl.sync
// CHECK:         ret;
kernel.func private @few_units(%g: tensor<9x1x1x24xf32>, %r: tensor<1x8x24xf32> {kernel.constant}) -> tensor<9x1x1x8xf32> {
  %s, %h, %c = nn.recurrence %g, %r {cell = #nn.cell<gru>, direction = #nn.direction<forward>, activations = ["Sigmoid", "Tanh"],
    alpha = array<f64: 0.0, 0.0>, beta = array<f64: 0.0, 0.0>, clip = 0.0 : f64, linear_before_reset}
    : tensor<9x1x1x24xf32>, tensor<1x8x24xf32> -> tensor<9x1x1x8xf32>, tensor<1x1x8xf32>, tensor<1x1x8xf32>
  kernel.return %s : tensor<9x1x1x8xf32>
}
