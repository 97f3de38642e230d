// RUN: tenon-opt %s --codegen-emit-cpu="target=cuda:sm_90a assembly" | FileCheck %s

// Two groups multiply, one more warp copies: 288 threads. A tensor map lies between the buffers and the number of tasks. Weights come without waiting for
// the kernel before, tiles of lhs by one instruction a stage.
// CHECK-LABEL: .visible .entry wide(
// CHECK:         .param .align 64 .b8 wide_param_5[128]
// CHECK:         .reqntid 288
// CHECK:         fence.mbarrier_init.release.cluster;
// CHECK-DAG:     cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes
// CHECK-DAG:     griddepcontrol.wait
// CHECK-DAG:     cp.async.bulk.tensor.2d.shared::cluster.global.tile.mbarrier::complete_tx::bytes
// CHECK-DAG:     wgmma.mma_async.sync.aligned.m64n192k16.f32.f16.f16
// CHECK-NOT:     cp.async.cg
// CHECK:         ret;
kernel.func private @wide(%x: tensor<8192x768xf16>, %packed: tensor<4x96x6x4x4x2x8xf16> {kernel.constant}, %bias: tensor<768xf16> {kernel.constant}, %y: tensor<8192x768xf16>) -> tensor<8192x768xf16> attributes {
    schedule = #kernel.schedule<"gpu.matrix", {rows = 128 : i64, columns = 192 : i64, warp_rows = 8 : i64, warp_columns = 1 : i64, warp_depth = 1 : i64, stages = 5 : i64, splits = 1 : i64, groups = 1 : i64, tma = 1 : i64}>,
    tasks = #nn.expr<128>, tenon.alignments = array<i64: 16, 16, 16, 16, 16>} {
  %w = kernel.unpack %packed {packing = #kernel.packing<padded = [768, 768], split = [4, 6, 4, 4, 2, 96, 8], perm = [0, 5, 1, 3, 2, 4, 6]>} : tensor<4x96x6x4x4x2x8xf16> -> tensor<768x768xf16>
  %0 = nn.matmul %x, %w {transpose_rhs} : tensor<8192x768xf16>, tensor<768x768xf16> -> tensor<8192x768xf16>
  %1 = nn.add %0, %bias : tensor<8192x768xf16>, tensor<768xf16> -> tensor<8192x768xf16>
  %2 = nn.add %1, %y : tensor<8192x768xf16>, tensor<8192x768xf16> -> tensor<8192x768xf16>
  kernel.return %2 : tensor<8192x768xf16>
}

// A group has 128 rows, two blocks share a multiprocessor. Pixels under each tap are found by the unit.
// CHECK-LABEL: .visible .entry taps(
// CHECK:         .param .align 64 .b8 taps_param_3[128]
// CHECK:         .reqntid 160
// CHECK:         .minnctapersm 2
// CHECK-DAG:     cp.async.bulk.tensor.4d.shared::cluster.global.im2col.mbarrier::complete_tx::bytes
// CHECK-DAG:     wgmma.mma_async.sync.aligned.m64n128k16.f32.f16.f16
// CHECK-NOT:     cp.async.cg
// CHECK:         ret;
kernel.func private @taps(%x: tensor<32x28x28x128xf16>, %packed: tensor<1x9x16x4x4x4x2x8xf16> {kernel.constant}) -> tensor<32x14x14x128xf16> attributes {
    schedule = #kernel.schedule<"gpu.matrix", {rows = 128 : i64, columns = 128 : i64, warp_rows = 4 : i64, warp_columns = 1 : i64, warp_depth = 1 : i64, stages = 3 : i64, splits = 1 : i64, groups = 1 : i64, together = 2 : i64, tma = 1 : i64}>,
    tasks = #nn.expr<49>, tenon.alignments = array<i64: 16, 16, 16>} {
  %w = kernel.unpack %packed {packing = #kernel.packing<padded = [128, 128, 3, 3], split = [1, 4, 4, 4, 2, 16, 8, 9], perm = [0, 7, 5, 1, 3, 2, 4, 6]>} : tensor<1x9x16x4x4x4x2x8xf16> -> tensor<128x128x3x3xf16>
  %0 = nn.conv %x, %w {strides = array<i64: 2, 2>, pads = array<i64: 1, 1, 1, 1>, dilations = array<i64: 1, 1>, layout = #nn.layout<channels_last>} : tensor<32x28x28x128xf16>, tensor<128x128x3x3xf16> -> tensor<32x14x14x128xf16>
  %1 = nn.relu %0 : tensor<32x14x14x128xf16> -> tensor<32x14x14x128xf16>
  kernel.return %1 : tensor<32x14x14x128xf16>
}

// What lies where no map can begin is read by the threads of the copying warp.
// CHECK-LABEL: .visible .entry beside(
// CHECK-NOT:     .b8 beside_param
// CHECK:         .reqntid 288
// CHECK-NOT:     cp.async.bulk.tensor
// CHECK:         ret;
kernel.func private @beside(%x: tensor<8192x128xf16>, %packed: tensor<1x16x4x4x4x2x8xf16> {kernel.constant}) -> tensor<8192x128xf16> attributes {
    schedule = #kernel.schedule<"gpu.matrix", {rows = 128 : i64, columns = 128 : i64, warp_rows = 8 : i64, warp_columns = 1 : i64, warp_depth = 1 : i64, stages = 6 : i64, splits = 1 : i64, groups = 1 : i64, tma = 1 : i64}>,
    tasks = #nn.expr<64>, tenon.alignments = array<i64: 8, 16, 16>} {
  %w = kernel.unpack %packed {packing = #kernel.packing<padded = [128, 128], split = [1, 4, 4, 4, 2, 16, 8], perm = [0, 5, 1, 3, 2, 4, 6]>} : tensor<1x16x4x4x4x2x8xf16> -> tensor<128x128xf16>
  %0 = nn.matmul %x, %w {transpose_rhs} : tensor<8192x128xf16>, tensor<128x128xf16> -> tensor<8192x128xf16>
  kernel.return %0 : tensor<8192x128xf16>
}

// Long sums of few tiles: two blocks, a cluster, share the depth. Each sends the other one the sums of a group, and finishes those of its own.
// CHECK-LABEL: .visible .entry shared(
// CHECK:         .reqntid 288
// CHECK:         .reqnctapercluster 2
// CHECK:         barrier.cluster.arrive.relaxed.aligned;
// CHECK-DAG:     st.shared::cluster.v4.b32
// CHECK-DAG:     barrier.cluster.arrive.aligned; barrier.cluster.wait.aligned;
// CHECK:         ret;
kernel.func private @shared(%x: tensor<32x7x7x512xf16>, %packed: tensor<4x9x64x4x4x4x2x8xf16> {kernel.constant}) -> tensor<32x7x7x512xf16> attributes {
    schedule = #kernel.schedule<"gpu.matrix", {rows = 128 : i64, columns = 128 : i64, warp_rows = 8 : i64, warp_columns = 1 : i64, warp_depth = 1 : i64, stages = 5 : i64, splits = 2 : i64, groups = 1 : i64, tma = 1 : i64}>,
    tasks = #nn.expr<104>, tenon.alignments = array<i64: 16, 16, 16>} {
  %w = kernel.unpack %packed {packing = #kernel.packing<padded = [512, 512, 3, 3], split = [4, 4, 4, 4, 2, 64, 8, 9], perm = [0, 7, 5, 1, 3, 2, 4, 6]>} : tensor<4x9x64x4x4x4x2x8xf16> -> tensor<512x512x3x3xf16>
  %0 = nn.conv %x, %w {strides = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>, dilations = array<i64: 1, 1>, layout = #nn.layout<channels_last>} : tensor<32x7x7x512xf16>, tensor<512x512x3x3xf16> -> tensor<32x7x7x512xf16>
  kernel.return %0 : tensor<32x7x7x512xf16>
}
