// RUN: tenon-opt %s --kernel-assign-schedules=target=cuda:sm_90 | FileCheck %s --check-prefix=FAMILY
// RUN: tenon-opt %s --kernel-assign-schedules=target=cuda:sm_90 --codegen-emit-cpu="target=cuda:sm_90 assembly" | FileCheck %s

// A block for each direction and element: 2 x 3. States stay in shared memory from step to step; each warp has two of the 64 units, whose gates' sums its
// threads exchange; of 160 inputs 128 are read without a condition, and the state's 64 elements by two loads of each gate.
// FAMILY-LABEL: kernel.func private @sequence
// FAMILY-SAME:    schedule = #kernel.schedule<"gpu.recurrent"
// FAMILY-SAME:    tasks = #nn.expr<6>
// CHECK-LABEL: .visible .entry sequence(
// CHECK:         .reqntid 1024
// CHECK:         st.shared
// CHECK:         bar.sync
// CHECK-COUNT-20: shfl.sync.bfly
// CHECK:         st.global
// CHECK-NOT:     call
// CHECK:         ret;
kernel.func private @sequence(%x: tensor<7x3x160xf32>, %w: tensor<2x256x160xf32>, %r: tensor<2x256x64xf32>, %b: tensor<2x512xf32>) -> tensor<7x2x3x64xf32> {
  %s, %h, %c = nn.lstm %x, %w, %r bias(%b : tensor<2x512xf32>) {hidden_size = 64 : i64, direction = #nn.direction<bidirectional>}
    : tensor<7x3x160xf32>, tensor<2x256x160xf32>, tensor<2x256x64xf32> -> tensor<7x2x3x64xf32>, tensor<2x3x64xf32>, tensor<2x3x64xf32>
  kernel.return %s : tensor<7x2x3x64xf32>
}

// States that do not fit into a block's shared memory are not kept there.
// FAMILY-LABEL: kernel.func private @wide
// FAMILY-SAME:    schedule = #kernel.schedule<"gpu.recurrent-tasks"
kernel.func private @wide(%x: tensor<7x1x16xf32>, %w: tensor<1x16384x16xf32>, %r: tensor<1x16384x4096xf32>) -> tensor<7x1x1x4096xf32> {
  %s, %h, %c = nn.lstm %x, %w, %r {hidden_size = 4096 : i64, direction = #nn.direction<forward>}
    : tensor<7x1x16xf32>, tensor<1x16384x16xf32>, tensor<1x16384x4096xf32> -> tensor<7x1x1x4096xf32>, tensor<1x1x4096xf32>, tensor<1x1x4096xf32>
  kernel.return %s : tensor<7x1x1x4096xf32>
}
