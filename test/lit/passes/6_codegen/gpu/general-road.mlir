// RUN: tenon-opt %s --kernel-assign-schedules=target=cuda:sm_90 --codegen-emit-cpu="target=cuda:sm_90 assembly" | FileCheck %s --check-prefixes=CHECK,SM90
// RUN: tenon-opt %s --kernel-assign-schedules=target=cuda:sm_75 --codegen-emit-cpu="target=cuda:sm_75 assembly" | FileCheck %s --check-prefixes=CHECK,SM75

// One thread for four elements; what the kernel before wrote is read only when that kernel is over; no calls.
// CHECK-LABEL: .visible .entry silu_residual(
// CHECK:         .reqntid 128
// SM90:          griddepcontrol.launch_dependents
// SM90:          griddepcontrol.wait
// SM75-NOT:      griddepcontrol
// CHECK:         mov.u32 {{.*}}, %ctaid.x
// CHECK:         ld.global
// CHECK-NOT:     call
// CHECK:         st.global
// CHECK:         ret;
kernel.func private @silu_residual(%x: tensor<64x256xf32>, %r: tensor<64x256xf32>) -> tensor<64x256xf32> {
  %0 = nn.silu %x : tensor<64x256xf32> -> tensor<64x256xf32>
  %1 = nn.add %0, %r : tensor<64x256xf32>, tensor<64x256xf32> -> tensor<64x256xf32>
  kernel.return %1 : tensor<64x256xf32>
}
