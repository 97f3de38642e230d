// RUN: tenon-opt %s --codegen-emit-cpu="target=cuda:sm_90a assembly" | FileCheck %s

// The same stages and descriptors as of halves, twice the depth for each instruction.
// CHECK-LABEL: .visible .entry groups(
// CHECK:         cp.async.cg.shared.global
// CHECK-COUNT-4: wgmma.mma_async.sync.aligned.m64n128k32.s32.u8.s8
// CHECK:         wgmma.commit_group.sync.aligned;
// CHECK:         add.s32
// CHECK:         ret;
kernel.func private @groups(%x: tensor<4096x1536xui8>, %packed: tensor<2304x1536xi8> {kernel.constant}, %bias: tensor<2304xi32> {kernel.constant}) -> tensor<4096x2304xi32> attributes {
    schedule = #kernel.schedule<"gpu.matrix", {rows = 128 : i64, columns = 128 : i64, warp_rows = 8 : i64, warp_columns = 1 : i64, warp_depth = 1 : i64, stages = 3 : i64, splits = 1 : i64, groups = 1 : i64}>,
    tasks = #nn.expr<576>, tenon.alignments = array<i64: 16, 16, 16, 16>} {
  %w = kernel.unpack %packed {packing = #kernel.packing<padded = [2304, 1536], split = [2304, 1536], perm = [0, 1]>} : tensor<2304x1536xi8> -> tensor<2304x1536xi8>
  %0 = nn.matmul %x, %w bias %bias {transpose_rhs} : tensor<4096x1536xui8>, tensor<2304x1536xi8>, tensor<2304xi32> -> tensor<4096x2304xi32>
  kernel.return %0 : tensor<4096x2304xi32>
}

// A stage of weights is one copy of 192 x 128 bytes.
// CHECK-LABEL: .visible .entry pipeline(
// CHECK-DAG:     24576
// CHECK-DAG:     cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes
// CHECK-DAG:     wgmma.mma_async.sync.aligned.m64n192k32.s32.u8.s8
// CHECK:         ret;
kernel.func private @pipeline(%x: tensor<8192x1536xui8>, %packed: tensor<4x96x192x16xi8> {kernel.constant}, %scale: tensor<768xf32> {kernel.constant}) -> tensor<8192x768xui8> attributes {
    schedule = #kernel.schedule<"gpu.matrix", {rows = 128 : i64, columns = 192 : i64, warp_rows = 8 : i64, warp_columns = 1 : i64, warp_depth = 1 : i64, stages = 5 : i64, splits = 1 : i64, groups = 1 : i64, pipeline = 1 : i64}>,
    tasks = #nn.expr<128>, tenon.alignments = array<i64: 16, 16, 16, 16>} {
  %w = kernel.unpack %packed {packing = #kernel.packing<padded = [768, 1536], split = [4, 192, 96, 16], perm = [0, 2, 1, 3]>} : tensor<4x96x192x16xi8> -> tensor<768x1536xi8>
  %0 = nn.matmul %x, %w {transpose_rhs} : tensor<8192x1536xui8>, tensor<768x1536xi8> -> tensor<8192x768xi32>
  %1 = nn.cast %0 {to = f32} : tensor<8192x768xi32> -> tensor<8192x768xf32>
  %2 = nn.mul %1, %scale : tensor<8192x768xf32>, tensor<768xf32> -> tensor<8192x768xf32>
  %3 = nn.quantize %2 {to = ui8, zero_point = 0 : i64} : tensor<8192x768xf32> -> tensor<8192x768xui8>
  kernel.return %3 : tensor<8192x768xui8>
}
