// RUN: tenon-opt %s --kernel-assign-schedules=target=cuda:sm_90 | FileCheck %s --check-prefix=FAMILY
// RUN: tenon-opt %s --kernel-assign-schedules=target=cuda:sm_90 --codegen-emit-cpu="target=cuda:sm_90 assembly" | FileCheck %s

// Tiles of 80 channels and 64 of the 8400 positions, 132 for each image; both sides 16 bytes wide, ops after it in between.
// FAMILY-LABEL: kernel.func private @positions
// FAMILY-SAME:    schedule = #kernel.schedule<"gpu.transpose"
// FAMILY-SAME:    tasks = #nn.expr<264>
// CHECK-LABEL: .visible .entry positions(
// CHECK:         ld.global.v4.b32
// CHECK:         st.shared.b32
// CHECK:         bar.sync
// CHECK-COUNT-8: ld.shared.b16
// CHECK:         st.global.v4.b32
// CHECK:         ret;
kernel.func private @positions(%x: tensor<2x8400x80xf16>) -> tensor<2x80x8400xf16> attributes {tenon.alignments = array<i64: 16, 16>} {
  %0 = nn.transpose %x {perm = array<i64: 0, 2, 1>} : tensor<2x8400x80xf16> -> tensor<2x80x8400xf16>
  %1 = nn.relu %0 : tensor<2x80x8400xf16> -> tensor<2x80x8400xf16>
  kernel.return %1 : tensor<2x80x8400xf16>
}

// Where the innermost axis stays nothing is gained.
// FAMILY-LABEL: kernel.func private @heads
// FAMILY-SAME:    schedule = #kernel.schedule<"gpu.loops"
kernel.func private @heads(%x: tensor<2x128x12x64xf16>) -> tensor<2x12x128x64xf16> attributes {tenon.alignments = array<i64: 16, 16>} {
  %0 = nn.transpose %x {perm = array<i64: 0, 2, 1, 3>} : tensor<2x128x12x64xf16> -> tensor<2x12x128x64xf16>
  kernel.return %0 : tensor<2x12x128x64xf16>
}

// An axis that is no multiple of an access is left to the general road.
// FAMILY-LABEL: kernel.func private @odd
// FAMILY-SAME:    schedule = #kernel.schedule<"gpu.loops"
kernel.func private @odd(%x: tensor<2x77x80xf16>) -> tensor<2x80x77xf16> attributes {tenon.alignments = array<i64: 16, 16>} {
  %0 = nn.transpose %x {perm = array<i64: 0, 2, 1>} : tensor<2x77x80xf16> -> tensor<2x80x77xf16>
  kernel.return %0 : tensor<2x80x77xf16>
}
