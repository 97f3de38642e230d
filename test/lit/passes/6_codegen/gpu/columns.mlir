// RUN: tenon-opt %s --kernel-assign-schedules=target=cuda:sm_90 | FileCheck %s --check-prefix=FAMILY
// RUN: tenon-opt %s --kernel-assign-schedules=target=cuda:sm_90 --codegen-emit-cpu="target=cuda:sm_90 assembly" | FileCheck %s

// The mean of an image's channels: blocks of 16 channels, so that there are 48, each in a cluster of eight that share the 12544 positions. Each sends
// what it has to the first one.
// FAMILY-LABEL: kernel.func private @pool
// FAMILY-SAME:    schedule = #kernel.schedule<"gpu.columns"
// FAMILY-SAME:    tasks = #nn.expr<48>
// CHECK-LABEL: .visible .entry pool(
// CHECK:         .reqntid 512
// CHECK:         .reqnctapercluster 8
// CHECK:         barrier.cluster.arrive.relaxed.aligned;
// CHECK:         bar.sync
// CHECK:         barrier.cluster.wait.aligned;
// CHECK:         st.shared::cluster.v4.b32
// CHECK:         barrier.cluster.arrive.aligned; barrier.cluster.wait.aligned;
// CHECK-NOT:     barrier.cluster
// CHECK:         ret;
kernel.func private @pool(%x: tensor<1x112x112x96xf16>) -> tensor<1x1x1x96xf16> {
  %0 = nn.reduce %x {kind = #nn.reduce_kind<mean>, axes = array<i64: 1, 2>, keep_dims} : tensor<1x112x112x96xf16> -> tensor<1x1x1x96xf16>
  kernel.return %0 : tensor<1x1x1x96xf16>
}

// 49 positions are one block's; 12 channels are not four lanes of every thread, but whole threads all the same.
// FAMILY-LABEL: kernel.func private @small
// FAMILY-SAME:    schedule = #kernel.schedule<"gpu.columns"
// FAMILY-SAME:    tasks = #nn.expr<2>
kernel.func private @small(%x: tensor<2x7x7x12xf32>) -> tensor<2x12xf32> {
  %0 = nn.reduce %x {kind = #nn.reduce_kind<max>, axes = array<i64: 1, 2>} : tensor<2x7x7x12xf32> -> tensor<2x12xf32>
  kernel.return %0 : tensor<2x12xf32>
}
