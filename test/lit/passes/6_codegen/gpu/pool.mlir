// RUN: tenon-opt %s --kernel-assign-schedules=target=cuda:sm_90 | FileCheck %s --check-prefix=FAMILY
// RUN: tenon-opt %s --kernel-assign-schedules=target=cuda:sm_90 --codegen-emit-cpu="target=cuda:sm_90 assembly" | FileCheck %s

// A thread has eight channels of a pixel: 20 x 20 x 256 / 8 tasks. The window's 25 loads need no predicates: outside they read what is nearest inside.
// FAMILY-LABEL: kernel.func private @largest
// FAMILY-SAME:    schedule = #kernel.schedule<"gpu.pool"
// FAMILY-SAME:    tasks = #nn.expr<12800>
// CHECK-LABEL: .visible .entry largest(
// CHECK-COUNT-25: ld.global
// CHECK:         st.global
// CHECK:         ret;
kernel.func private @largest(%x: tensor<1x20x20x256xf16>) -> tensor<1x20x20x256xf16> attributes {tenon.alignments = array<i64: 16, 16>} {
  %0 = nn.pool %x {kind = #nn.pool_kind<max>, window = array<i64: 5, 5>, strides = array<i64: 1, 1>, pads = array<i64: 2, 2, 2, 2>, dilations = array<i64: 1, 1>, layout = #nn.layout<channels_last>} : tensor<1x20x20x256xf16> -> tensor<1x20x20x256xf16>
  kernel.return %0 : tensor<1x20x20x256xf16>
}

// Means divide by what is inside: the general road.
// FAMILY-LABEL: kernel.func private @mean
// FAMILY-SAME:    schedule = #kernel.schedule<"gpu.loops"
kernel.func private @mean(%x: tensor<1x20x20x256xf16>) -> tensor<1x10x10x256xf16> attributes {tenon.alignments = array<i64: 16, 16>} {
  %0 = nn.pool %x {kind = #nn.pool_kind<average>, window = array<i64: 2, 2>, strides = array<i64: 2, 2>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, layout = #nn.layout<channels_last>} : tensor<1x20x20x256xf16> -> tensor<1x10x10x256xf16>
  kernel.return %0 : tensor<1x10x10x256xf16>
}
