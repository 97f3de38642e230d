// RUN: tenon-opt %s --codegen-emit-cpu="target=cuda:sm_90a assembly" | FileCheck %s

// The same stages and descriptors as of halves, twice the depth for each instruction. Weights are packed so that a thread's sums are neighbours in the
// result: they are stored as they are, 16 bytes at a time, without shared memory.
// CHECK-LABEL: .visible .entry groups(
// CHECK:         cp.async.cg.shared.global
// CHECK-COUNT-4: wgmma.mma_async.sync.aligned.m64n128k32.s32.u8.s8
// CHECK:         wgmma.commit_group.sync.aligned;
// CHECK-NOT:     st.shared
// CHECK:         add.s32
// CHECK:         st.global.v4.b32
// CHECK:         ret;
kernel.func private @groups(%x: tensor<4096x1536xui8>, %packed: tensor<144x2x4x2x1536xi8> {kernel.constant}, %bias: tensor<2304xi32> {kernel.constant}) -> tensor<4096x2304xi32> attributes {
    schedule = #kernel.schedule<"gpu.matrix", {rows = 128 : i64, columns = 128 : i64, warp_rows = 8 : i64, warp_columns = 1 : i64, warp_depth = 1 : i64, stages = 3 : i64, splits = 1 : i64, groups = 1 : i64}>,
    tasks = #nn.expr<576>, tenon.alignments = array<i64: 16, 16, 16, 16>} {
  %w = kernel.unpack %packed {packing = #kernel.packing<padded = [2304, 1536], split = [144, 4, 2, 2, 1536], perm = [0, 2, 1, 3, 4]>} : tensor<144x2x4x2x1536xi8> -> tensor<2304x1536xi8>
  %0 = nn.matmul %x, %w bias %bias {transpose_rhs} : tensor<4096x1536xui8>, tensor<2304x1536xi8>, tensor<2304xi32> -> tensor<4096x2304xi32>
  kernel.return %0 : tensor<4096x2304xi32>
}

// A stage of weights is one copy of 192 x 128 bytes.
// CHECK-LABEL: .visible .entry pipeline(
// CHECK-DAG:     24576
// CHECK-DAG:     cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes
// CHECK-DAG:     wgmma.mma_async.sync.aligned.m64n192k32.s32.u8.s8
// CHECK-DAG:     prmt.b32
// CHECK-DAG:     st.global.v4.b32
// CHECK:         ret;
kernel.func private @pipeline(%x: tensor<8192x1536xui8>, %packed: tensor<4x96x3x8x4x2x16xi8> {kernel.constant}, %scale: tensor<768xf32> {kernel.constant}) -> tensor<8192x768xui8> attributes {
    schedule = #kernel.schedule<"gpu.matrix", {rows = 128 : i64, columns = 192 : i64, warp_rows = 8 : i64, warp_columns = 1 : i64, warp_depth = 1 : i64, stages = 5 : i64, splits = 1 : i64, groups = 1 : i64, pipeline = 1 : i64}>,
    tasks = #nn.expr<128>, tenon.alignments = array<i64: 16, 16, 16, 16>} {
  %w = kernel.unpack %packed {packing = #kernel.packing<padded = [768, 1536], split = [4, 3, 4, 8, 2, 96, 16], perm = [0, 5, 1, 3, 2, 4, 6]>} : tensor<4x96x3x8x4x2x16xi8> -> tensor<768x1536xi8>
  %0 = nn.matmul %x, %w {transpose_rhs} : tensor<8192x1536xui8>, tensor<768x1536xi8> -> tensor<8192x768xi32>
  %1 = nn.cast %0 {to = f32} : tensor<8192x768xi32> -> tensor<8192x768xf32>
  %2 = nn.mul %1, %scale : tensor<8192x768xf32>, tensor<768xf32> -> tensor<8192x768xf32>
  %3 = nn.quantize %2 {to = ui8, zero_point = 0 : i64} : tensor<8192x768xf32> -> tensor<8192x768xui8>
  kernel.return %3 : tensor<8192x768xui8>
}

// A tensor map counts bytes in pairs, as the depth is counted.
// CHECK-LABEL: .visible .entry tma(
// CHECK:         .param .align 64 .b8 tma_param_4[128]
// CHECK-DAG:     cp.async.bulk.tensor.2d.shared::cluster.global.tile.mbarrier::complete_tx::bytes
// CHECK-DAG:     wgmma.mma_async.sync.aligned.m64n192k32.s32.u8.s8
// CHECK-DAG:     prmt.b32
// CHECK-DAG:     st.global.v4.b32
// CHECK:         ret;
kernel.func private @tma(%x: tensor<8192x1536xui8>, %packed: tensor<4x96x3x8x4x2x16xi8> {kernel.constant}, %scale: tensor<768xf32> {kernel.constant}) -> tensor<8192x768xui8> attributes {
    schedule = #kernel.schedule<"gpu.matrix", {rows = 128 : i64, columns = 192 : i64, warp_rows = 8 : i64, warp_columns = 1 : i64, warp_depth = 1 : i64, stages = 5 : i64, splits = 1 : i64, groups = 1 : i64, tma = 1 : i64}>,
    tasks = #nn.expr<128>, tenon.alignments = array<i64: 16, 16, 16, 16>} {
  %w = kernel.unpack %packed {packing = #kernel.packing<padded = [768, 1536], split = [4, 3, 4, 8, 2, 96, 16], perm = [0, 5, 1, 3, 2, 4, 6]>} : tensor<4x96x3x8x4x2x16xi8> -> tensor<768x1536xi8>
  %0 = nn.matmul %x, %w {transpose_rhs} : tensor<8192x1536xui8>, tensor<768x1536xi8> -> tensor<8192x768xi32>
  %1 = nn.cast %0 {to = f32} : tensor<8192x768xi32> -> tensor<8192x768xf32>
  %2 = nn.mul %1, %scale : tensor<8192x768xf32>, tensor<768xf32> -> tensor<8192x768xf32>
  %3 = nn.quantize %2 {to = ui8, zero_point = 0 : i64} : tensor<8192x768xf32> -> tensor<8192x768xui8>
  kernel.return %3 : tensor<8192x768xui8>
}

// Sixteen channels are half of what a product takes: it takes those of two taps, which lie one pixel of the copy apart, or a row. Nine taps are five
// products; the last one's other half is zeros.
// CHECK-LABEL: .visible .entry resident(
// CHECK-COUNT-5: wgmma.mma_async.sync.aligned.m64n16k32.s32.u8.s8
// CHECK-SAME:    wgmma.commit_group.sync.aligned;
// CHECK:         ret;
kernel.func private @resident(%x: tensor<32x160x160x16xui8>, %packed: tensor<1x9x1x1x2x4x2x16xi8> {kernel.constant}) -> tensor<32x160x160x16xi32> attributes {
    schedule = #kernel.schedule<"gpu.matrix", {rows = 64 : i64, columns = 16 : i64, warp_rows = 4 : i64, warp_columns = 1 : i64, warp_depth = 1 : i64, stages = 6 : i64, splits = 1 : i64, groups = 1 : i64, resident = 1 : i64, teams = 2 : i64, tile_width = 20 : i64, together = 2 : i64}>,
    tasks = #nn.expr<256>, tenon.alignments = array<i64: 16, 16, 16>} {
  %w = kernel.unpack %packed {packing = #kernel.packing<padded = [16, 16, 3, 3], split = [1, 1, 4, 2, 2, 1, 16, 9], perm = [0, 7, 5, 1, 3, 2, 4, 6]>} : tensor<1x9x1x1x2x4x2x16xi8> -> tensor<16x16x3x3xi8>
  %z = nn.constant dense<6> : tensor<ui8>
  %0 = nn.pad %x value %z {high = #nn.dims<[0, 1, 1, 0]>, low = #nn.dims<[0, 1, 1, 0]>} : tensor<32x160x160x16xui8>, tensor<ui8> -> tensor<32x162x162x16xui8>
  %1 = nn.conv %0, %w {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, layout = #nn.layout<channels_last>} : tensor<32x162x162x16xui8>, tensor<16x16x3x3xi8> -> tensor<32x160x160x16xi32>
  kernel.return %1 : tensor<32x160x160x16xi32>
}
