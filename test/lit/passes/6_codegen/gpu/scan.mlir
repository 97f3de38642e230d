// RUN: tenon-opt %s --kernel-assign-schedules=target=cuda:sm_90 | FileCheck %s --check-prefix=FAMILY
// RUN: tenon-opt %s --kernel-assign-schedules=target=cuda:sm_90 --codegen-emit-cpu="target=cuda:sm_90 assembly" | FileCheck %s

// A block for each line. Threads with four elements each learn by shuffles what lies before theirs in the warp, and from the totals of all warps the rest.
// FAMILY-LABEL: kernel.func private @sums
// FAMILY-SAME:    schedule = #kernel.schedule<"gpu.scan"
// FAMILY-SAME:    tasks = #nn.expr<6>
// CHECK-LABEL: .visible .entry sums(
// CHECK:         .reqntid 256
// CHECK-COUNT-6: shfl.sync.idx
// CHECK:         st.shared
// CHECK:         bar.sync
// CHECK:         ld.shared.b32
// CHECK-COUNT-7: shfl.sync.idx
// CHECK-NOT:     call
// CHECK:         ret;
kernel.func private @sums(%x: tensor<2x5000x3xf32>) -> tensor<2x5000x3xf32> {
  %0 = nn.cumsum %x {axis = 1 : i64, exclusive} : tensor<2x5000x3xf32> -> tensor<2x5000x3xf32>
  kernel.return %0 : tensor<2x5000x3xf32>
}

// Numbers of 64 bits are two words of a shuffle; a line of one warp needs no shared memory.
// CHECK-LABEL: .visible .entry long(
// CHECK:         .reqntid 32
// CHECK-COUNT-14: shfl.sync.idx
// CHECK:         ret;
kernel.func private @long(%x: tensor<4x100xi64>) -> tensor<4x100xi64> {
  %0 = nn.cumsum %x {axis = 1 : i64, reverse} : tensor<4x100xi64> -> tensor<4x100xi64>
  kernel.return %0 : tensor<4x100xi64>
}

// A thread for each line is enough of many short ones.
// FAMILY-LABEL: kernel.func private @short
// FAMILY-SAME:    schedule = #kernel.schedule<"gpu.sequential-tasks"
kernel.func private @short(%x: tensor<10000x100xf32>) -> tensor<10000x100xf32> {
  %0 = nn.cumsum %x {axis = 1 : i64} : tensor<10000x100xf32> -> tensor<10000x100xf32>
  kernel.return %0 : tensor<10000x100xf32>
}

// One block finds the coordinates.
// FAMILY-LABEL: kernel.func private @coordinates
// FAMILY-SAME:    schedule = #kernel.schedule<"gpu.scan"
// FAMILY-SAME:    tasks = #nn.expr<1>
// CHECK-LABEL: .visible .entry coordinates(
// CHECK:         .reqntid 1024
// CHECK:         ret;
kernel.func private @coordinates(%x: tensor<84x8400xf32>) -> tensor<2x?xi64, #nn.dims<[2, n]>> attributes {symbols = ["n"]} {
  %0 = nn.nonzero %x {count = #nn.expr<n>} : tensor<84x8400xf32> -> tensor<2x?xi64, #nn.dims<[2, n]>>
  kernel.return %0 : tensor<2x?xi64, #nn.dims<[2, n]>>
}
