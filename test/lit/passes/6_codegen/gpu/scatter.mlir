// RUN: tenon-opt %s --kernel-assign-schedules=target=cuda:sm_90 | FileCheck %s --check-prefix=FAMILY
// RUN: tenon-opt %s --kernel-assign-schedules=target=cuda:sm_90 --codegen-emit-cpu="target=cuda:sm_90 assembly" | FileCheck %s

// Each block copies its rows, marks the indices among them by votes, eight of a thread at once, and makes these updates in their order: no atomics.
// FAMILY-LABEL: kernel.func private @rows
// FAMILY-SAME:    overwrites = array<i64: 0>
// FAMILY-SAME:    schedule = #kernel.schedule<"gpu.scatter"
// FAMILY-SAME:    tasks = #nn.expr<528>
// CHECK-LABEL: .visible .entry rows(
// CHECK:         .reqntid 512
// CHECK:         st.global.v4
// CHECK:         bar.sync
// CHECK-COUNT-8: vote.sync.ballot.b32
// CHECK:         bar.sync
// CHECK:         popc.b32
// CHECK-NOT:     atom
// CHECK-NOT:     red.global
// CHECK:         ret;
kernel.func private @rows(%x: tensor<100000x64xf32>, %i: tensor<20000x1xi64>, %u: tensor<20000x64xf32>) -> tensor<100000x64xf32>
    attributes {tenon.alignments = array<i64: 16, 16, 16, 16>} {
  %0 = nn.scatter_nd %x, %i, %u {reduction = #nn.reduce_kind<sum>} : (tensor<100000x64xf32>, tensor<20000x1xi64>, tensor<20000x64xf32>) -> tensor<100000x64xf32>
  kernel.return %0 : tensor<100000x64xf32>
}

// Updates that are the operand's own rows are read after others were written.
// FAMILY-LABEL: kernel.func private @own_rows
// FAMILY-SAME:    overwrites = array<i64: -1>
// FAMILY-SAME:    schedule = #kernel.schedule<"gpu.scatter"
kernel.func private @own_rows(%x: tensor<100x64xf32>, %i: tensor<100x1xi64>) -> tensor<100x64xf32> {
  %0 = nn.scatter_nd %x, %i, %x : (tensor<100x64xf32>, tensor<100x1xi64>, tensor<100x64xf32>) -> tensor<100x64xf32>
  kernel.return %0 : tensor<100x64xf32>
}

// Of few elements one block is enough; an index is a thread's.
// FAMILY-LABEL: kernel.func private @elements
// FAMILY-SAME:    schedule = #kernel.schedule<"gpu.scatter"
// FAMILY-SAME:    tasks = #nn.expr<1>
// CHECK-LABEL: .visible .entry elements(
// CHECK-COUNT-1: vote.sync.ballot.b32
// CHECK-NOT:     vote.sync.ballot.b32
// CHECK:         ret;
kernel.func private @elements(%x: tensor<40x20xf32>, %i: tensor<3x20xi64>, %u: tensor<3x20xf32>) -> tensor<40x20xf32> {
  %0 = nn.scatter_elements %x, %i, %u {axis = 0 : i64} : (tensor<40x20xf32>, tensor<3x20xi64>, tensor<3x20xf32>) -> tensor<40x20xf32>
  kernel.return %0 : tensor<40x20xf32>
}
