// RUN: tenon-opt %s --codegen-emit-cpu="target=cuda:sm_90a assembly" | FileCheck %s

// Two groups multiply, four more warps copy; 128 blocks share 256 tiles. Weights come without waiting for the kernel before, a stage in one piece.
// CHECK-LABEL: .visible .entry wide(
// CHECK:         .reqntid 384
// CHECK:         mbarrier.init.shared::cta.b64
// CHECK:         fence.mbarrier_init.release.cluster;
// CHECK-DAG:     cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes
// CHECK-DAG:     griddepcontrol.wait
// A step of a group: nothing but its stage is waited for.
// CHECK-DAG:     wgmma.mma_async.sync.aligned.m64n192k16.f32.f16.f16
// CHECK-DAG:     mbarrier.arrive.shared::cta.b64
// Of the left operand three copies stay under way:
// CHECK-DAG:     cp.async.wait_group 3;
// CHECK-DAG:     fence.proxy.async.shared::cta;
// Sums do not pass through shared memory: weights are packed so that a thread has eight neighbours in the result.
// CHECK-NOT:     st.shared
// CHECK:         ret;
kernel.func private @wide(%x: tensor<8192x768xf16>, %packed: tensor<4x96x6x4x4x2x8xf16> {kernel.constant}, %bias: tensor<768xf16> {kernel.constant}, %y: tensor<8192x768xf16>) -> tensor<8192x768xf16> attributes {
    schedule = #kernel.schedule<"gpu.matrix", {rows = 128 : i64, columns = 192 : i64, warp_rows = 8 : i64, warp_columns = 1 : i64, warp_depth = 1 : i64, stages = 5 : i64, splits = 1 : i64, groups = 1 : i64, pipeline = 1 : i64}>,
    tasks = #nn.expr<128>, tenon.alignments = array<i64: 16, 16, 16, 16, 16>} {
  %w = kernel.unpack %packed {packing = #kernel.packing<padded = [768, 768], split = [4, 6, 4, 4, 2, 96, 8], perm = [0, 5, 1, 3, 2, 4, 6]>} : tensor<4x96x6x4x4x2x8xf16> -> tensor<768x768xf16>
  %0 = nn.matmul %x, %w {transpose_rhs} : tensor<8192x768xf16>, tensor<768x768xf16> -> tensor<8192x768xf16>
  %1 = nn.add %0, %bias : tensor<8192x768xf16>, tensor<768xf16> -> tensor<8192x768xf16>
  %2 = nn.add %1, %y : tensor<8192x768xf16>, tensor<8192x768xf16> -> tensor<8192x768xf16>
  kernel.return %2 : tensor<8192x768xf16>
}
