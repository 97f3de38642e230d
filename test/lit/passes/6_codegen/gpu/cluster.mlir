// RUN: tenon-opt %s --codegen-emit-cpu="target=cuda:sm_90a assembly" | FileCheck %s

// Four blocks share the depth of a tile. Each sends its sums straight from registers to the block that finishes a row, once that one runs; what was
// sent is read from the block's own shared memory, and nobody waits at the end.
// CHECK-LABEL: .visible .entry sent(
// CHECK:         .reqnctapercluster 4
// CHECK:         barrier.cluster.arrive.relaxed.aligned;
// CHECK:         griddepcontrol.wait
// CHECK:         wgmma.mma_async
// CHECK:         barrier.cluster.wait.aligned;
// CHECK:         st.shared::cluster.v2.b32
// CHECK:         barrier.cluster.arrive.aligned; barrier.cluster.wait.aligned;
// CHECK:         ld.shared.v4.f32
// CHECK:         st.global
// CHECK-NOT:     barrier.cluster
// CHECK:         ret;
kernel.func private @sent(%x: tensor<196x2304xf16>, %packed: tensor<256x2304xf16> {kernel.constant}) -> tensor<196x256xf16> attributes {
    schedule = #kernel.schedule<"gpu.matrix", {rows = 64 : i64, columns = 64 : i64, warp_rows = 4 : i64, warp_columns = 1 : i64, warp_depth = 1 : i64, stages = 6 : i64, splits = 4 : i64, groups = 1 : i64, round = 2 : i64}>,
    tasks = #nn.expr<64>, tenon.alignments = array<i64: 16, 16, 16>} {
  %w = kernel.unpack %packed {packing = #kernel.packing<padded = [256, 2304], split = [256, 2304], perm = [0, 1]>} : tensor<256x2304xf16> -> tensor<256x2304xf16>
  %0 = nn.matmul %x, %w {transpose_rhs} : tensor<196x2304xf16>, tensor<256x2304xf16> -> tensor<196x256xf16>
  kernel.return %0 : tensor<196x256xf16>
}

// Warps that share the depth within a block add up what they have before one of them sends it: two loads of each of the two, then two stores.
// CHECK-LABEL: .visible .entry added(
// CHECK:         mma.sync
// CHECK:         st.shared.v2.b32
// CHECK:         bar.sync
// CHECK:         barrier.cluster.wait.aligned;
// CHECK-COUNT-4: ld.shared.v4.f32
// CHECK-COUNT-2: st.shared::cluster.v4.b32
// CHECK:         ret;
kernel.func private @added(%x: tensor<196x2304xf16>, %packed: tensor<256x2304xf16> {kernel.constant}) -> tensor<196x256xf16> attributes {
    schedule = #kernel.schedule<"gpu.matrix", {rows = 32 : i64, columns = 32 : i64, warp_rows = 2 : i64, warp_columns = 1 : i64, warp_depth = 2 : i64, stages = 10 : i64, splits = 4 : i64}>,
    tasks = #nn.expr<224>, tenon.alignments = array<i64: 16, 16, 16>} {
  %w = kernel.unpack %packed {packing = #kernel.packing<padded = [256, 2304], split = [256, 2304], perm = [0, 1]>} : tensor<256x2304xf16> -> tensor<256x2304xf16>
  %0 = nn.matmul %x, %w {transpose_rhs} : tensor<196x2304xf16>, tensor<256x2304xf16> -> tensor<196x256xf16>
  kernel.return %0 : tensor<196x256xf16>
}
