// RUN: tenon-opt %s --codegen-emit-cpu="target=cuda:sm_90a assembly" | FileCheck %s

// Few weights and many pixels: the weights stay.
//
// Two teams of a group multiply 128 pixels each, 3 rows of 40 and what windows reach around them; nine taps of two steps, twice 64 rows, with no
// barrier between. All weights come in one piece, before the kernel waits for the one before.
// CHECK-LABEL: .visible .entry window(
// CHECK:         .reqntid 384
// CHECK:         wgmma.fence.sync.aligned
// CHECK-COUNT-36: wgmma.mma_async.sync.aligned.m64n32k16.f32.f16.f16
// CHECK-NOT:     wgmma.mma_async
// CHECK:         wgmma.commit_group.sync.aligned
// CHECK:         cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes
// CHECK:         griddepcontrol.wait
// CHECK:         cp.async.cg.shared.global
// CHECK:         ret;
kernel.func private @window(%x: tensor<32x80x80x32xf16>, %packed: tensor<1x9x4x1x4x4x2x8xf16> {kernel.constant}, %bias: tensor<32xf16> {kernel.constant}, %y: tensor<32x80x80x32xf16>) -> tensor<32x80x80x32xf16> attributes {
    schedule = #kernel.schedule<"gpu.matrix", {rows = 128 : i64, columns = 32 : i64, warp_rows = 4 : i64, warp_columns = 1 : i64, warp_depth = 1 : i64, stages = 4 : i64, splits = 1 : i64, groups = 1 : i64, resident = 1 : i64, teams = 2 : i64, tile_width = 40 : i64}>,
    tasks = #nn.expr<131>, tenon.alignments = array<i64: 16, 16, 16, 16, 16>} {
  %w = kernel.unpack %packed {packing = #kernel.packing<padded = [32, 32, 3, 3], split = [1, 1, 4, 4, 2, 4, 8, 9], perm = [0, 7, 5, 1, 3, 2, 4, 6]>} : tensor<1x9x4x1x4x4x2x8xf16> -> tensor<32x32x3x3xf16>
  %0 = nn.conv %x, %w bias %bias {strides = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>, dilations = array<i64: 1, 1>, layout = #nn.layout<channels_last>} : tensor<32x80x80x32xf16>, tensor<32x32x3x3xf16>, tensor<32xf16> -> tensor<32x80x80x32xf16>
  %1 = nn.silu %0 : tensor<32x80x80x32xf16> -> tensor<32x80x80x32xf16>
  %2 = nn.add %1, %y : tensor<32x80x80x32xf16>, tensor<32x80x80x32xf16> -> tensor<32x80x80x32xf16>
  kernel.return %2 : tensor<32x80x80x32xf16>
}

// Through tensor maps one thread has a tile copied, zeros around the image included: pixels of 32 channels are rows of 64 bytes, and a tap begins some rows
// further on. The stage is full when 5 rows of 42 pixels are there.
// CHECK-LABEL: .visible .entry mapped(
// CHECK:         .reqntid 288
// CHECK-COUNT-2: mbarrier.try_wait.parity
// CHECK-NOT:     mbarrier.try_wait
// CHECK:         wgmma.fence.sync.aligned
// CHECK-COUNT-36: wgmma.mma_async.sync.aligned.m64n32k16.f32.f16.f16
// CHECK-NOT:     wgmma.mma_async
// CHECK:         griddepcontrol.wait
// CHECK:         mov.b32 [[BYTES:%r[0-9]+]], 13440;
// CHECK:         mbarrier.arrive.expect_tx.shared::cta.b64 _, [{{.*}}], [[BYTES]];
// CHECK:         cp.async.bulk.tensor.4d.shared::cluster.global.tile
// CHECK-NOT:     cp.async.cg
// CHECK:         ret;
kernel.func private @mapped(%x: tensor<32x80x80x32xf16>, %packed: tensor<1x9x4x1x4x4x2x8xf16> {kernel.constant}, %bias: tensor<32xf16> {kernel.constant}) -> tensor<32x80x80x32xf16> attributes {
    schedule = #kernel.schedule<"gpu.matrix", {rows = 128 : i64, columns = 32 : i64, warp_rows = 4 : i64, warp_columns = 1 : i64, warp_depth = 1 : i64, stages = 4 : i64, splits = 1 : i64, groups = 1 : i64, resident = 1 : i64, tma = 1 : i64, teams = 2 : i64, tile_width = 40 : i64}>,
    tasks = #nn.expr<131>, tenon.alignments = array<i64: 16, 16, 16, 16>,
    tenon.tensor_maps = [{box = array<i64: 32, 42, 5, 1>, buffer = 0 : i64, element_bytes = 2 : i64, lower = array<i64>, offset = 0 : i64, sizes = array<i64: 32, 80, 80, 32>, steps = array<i64: 1, 1, 1, 1>, strides = array<i64: 64, 5120, 409600>, swizzle = 64 : i64, upper = array<i64>}]} {
  %w = kernel.unpack %packed {packing = #kernel.packing<padded = [32, 32, 3, 3], split = [1, 1, 4, 4, 2, 4, 8, 9], perm = [0, 7, 5, 1, 3, 2, 4, 6]>} : tensor<1x9x4x1x4x4x2x8xf16> -> tensor<32x32x3x3xf16>
  %0 = nn.conv %x, %w bias %bias {strides = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>, dilations = array<i64: 1, 1>, layout = #nn.layout<channels_last>} : tensor<32x80x80x32xf16>, tensor<32x32x3x3xf16>, tensor<32xf16> -> tensor<32x80x80x32xf16>
  kernel.return %0 : tensor<32x80x80x32xf16>
}

// Three teams take turns in four stages: one waits until the team before it is done with the stage, then for its own tile.
// CHECK-LABEL: .visible .entry in_turns(
// CHECK-COUNT-3: mbarrier.try_wait.parity
// CHECK:         wgmma.fence.sync.aligned
// CHECK:         ret;
kernel.func private @in_turns(%x: tensor<32x80x80x32xf16>, %packed: tensor<1x9x4x1x4x4x2x8xf16> {kernel.constant}, %bias: tensor<32xf16> {kernel.constant}) -> tensor<32x80x80x32xf16> attributes {
    schedule = #kernel.schedule<"gpu.matrix", {rows = 128 : i64, columns = 32 : i64, warp_rows = 4 : i64, warp_columns = 1 : i64, warp_depth = 1 : i64, stages = 4 : i64, splits = 1 : i64, groups = 1 : i64, resident = 1 : i64, tma = 1 : i64, teams = 3 : i64, tile_width = 40 : i64}>,
    tasks = #nn.expr<131>, tenon.alignments = array<i64: 16, 16, 16, 16>,
    tenon.tensor_maps = [{box = array<i64: 32, 42, 5, 1>, buffer = 0 : i64, element_bytes = 2 : i64, lower = array<i64>, offset = 0 : i64, sizes = array<i64: 32, 80, 80, 32>, steps = array<i64: 1, 1, 1, 1>, strides = array<i64: 64, 5120, 409600>, swizzle = 64 : i64, upper = array<i64>}]} {
  %w = kernel.unpack %packed {packing = #kernel.packing<padded = [32, 32, 3, 3], split = [1, 1, 4, 4, 2, 4, 8, 9], perm = [0, 7, 5, 1, 3, 2, 4, 6]>} : tensor<1x9x4x1x4x4x2x8xf16> -> tensor<32x32x3x3xf16>
  %0 = nn.conv %x, %w bias %bias {strides = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>, dilations = array<i64: 1, 1>, layout = #nn.layout<channels_last>} : tensor<32x80x80x32xf16>, tensor<32x32x3x3xf16>, tensor<32xf16> -> tensor<32x80x80x32xf16>
  kernel.return %0 : tensor<32x80x80x32xf16>
}

// Without windows a tile is neighbouring rows. Of 24 channels, three chunks, the last step multiplies a plane of zeros.
// CHECK-LABEL: .visible .entry rows(
// CHECK:         .reqntid 384
// CHECK-DAG:     st.shared.v4.b32
// CHECK-COUNT-4: wgmma.mma_async.sync.aligned.m64n96k16.f32.f16.f16
// CHECK-NOT:     wgmma.mma_async
// CHECK:         ret;
kernel.func private @rows(%x: tensor<100352x24xf16>, %packed: tensor<1x3x3x4x4x2x8xf16> {kernel.constant}) -> tensor<100352x96xf16> attributes {
    schedule = #kernel.schedule<"gpu.matrix", {rows = 128 : i64, columns = 96 : i64, warp_rows = 4 : i64, warp_columns = 1 : i64, warp_depth = 1 : i64, stages = 8 : i64, splits = 1 : i64, groups = 1 : i64, resident = 1 : i64, teams = 2 : i64}>,
    tasks = #nn.expr<131>, tenon.alignments = array<i64: 16, 16, 16>} {
  %w = kernel.unpack %packed {packing = #kernel.packing<padded = [96, 24], split = [1, 3, 4, 4, 2, 3, 8], perm = [0, 5, 1, 3, 2, 4, 6]>} : tensor<1x3x3x4x4x2x8xf16> -> tensor<96x24xf16>
  %0 = nn.matmul %x, %w {transpose_rhs} : tensor<100352x24xf16>, tensor<96x24xf16> -> tensor<100352x96xf16>
  kernel.return %0 : tensor<100352x96xf16>
}

// A chunk of f32 is four elements: one of 16 bytes, of a pixel's 32.
// CHECK-LABEL: .visible .entry floats(
// CHECK-COUNT-2: wgmma.mma_async.sync.aligned.m64n96k8.f32.tf32.tf32
// CHECK:         shl.b32 [[CHUNK:%r[0-9]+]], {{%r[0-9]+}}, 3;
// CHECK-NEXT:    shl.b32 [[PIXEL:%r[0-9]+]], {{%r[0-9]+}}, 4;
// CHECK-NEXT:    or.b32 [[HALF:%r[0-9]+]], [[PIXEL]], [[CHUNK]];
// CHECK-NEXT:    cvt.u64.u32 [[WIDE:%rd[0-9]+]], [[HALF]];
// CHECK:         shl.b64 [[BYTE:%rd[0-9]+]], [[WIDE]], 1;
// CHECK:         add.s64 [[FROM:%rd[0-9]+]], {{%rd[0-9]+}}, [[BYTE]];
// CHECK:         cp.async.cg.shared.global [{{%r[0-9]+}}], {{\[}}[[FROM]]], 16, {{%r[0-9]+}};
// CHECK:         ret;
kernel.func private @floats(%x: tensor<100352x8xf32>, %packed: tensor<1x2x96x4xf32> {kernel.constant}) -> tensor<100352x96xf32> attributes {
    schedule = #kernel.schedule<"gpu.matrix", {rows = 128 : i64, columns = 96 : i64, warp_rows = 4 : i64, warp_columns = 1 : i64, warp_depth = 1 : i64, stages = 8 : i64, splits = 1 : i64, groups = 1 : i64, resident = 1 : i64, teams = 2 : i64}>,
    tasks = #nn.expr<131>, tenon.alignments = array<i64: 16, 16, 16>} {
  %w = kernel.unpack %packed {packing = #kernel.packing<padded = [96, 8], split = [1, 96, 2, 4], perm = [0, 2, 1, 3]>} : tensor<1x2x96x4xf32> -> tensor<96x8xf32>
  %0 = nn.matmul %x, %w {transpose_rhs, kernel.tf32} : tensor<100352x8xf32>, tensor<96x8xf32> -> tensor<100352x96xf32>
  kernel.return %0 : tensor<100352x96xf32>
}
