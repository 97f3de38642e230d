// RUN: tenon-opt %s --codegen-emit-cpu="target=cuda:sm_90a assembly" | FileCheck %s

// Two groups of four warps, 64 rows each: of a step of 64 four instructions, which read both operands from the stage that was copied. The copies of
// the stage after next start while they run.
// CHECK-LABEL: .visible .entry wide(
// CHECK:         .reqntid 256
// CHECK:         cp.async.cg.shared.global
// CHECK:         griddepcontrol.wait
// The end of a round, then its begin:
// CHECK:         wgmma.wait_group.sync.aligned 0;
// CHECK:         cp.async.wait_group 1;
// CHECK:         fence.proxy.async.shared::cta;
// CHECK:         bar.sync 0;
// CHECK:         wgmma.fence.sync.aligned;
// CHECK-COUNT-4: wgmma.mma_async.sync.aligned.m64n128k16.f32.f16.f16
// CHECK:         wgmma.commit_group.sync.aligned;
// CHECK:         cp.async.cg.shared.global
// CHECK-NOT:     mma.sync
// CHECK:         ret;
kernel.func private @wide(%x: tensor<4096x768xf16>, %packed: tensor<72x4x4x2x768xf16> {kernel.constant}, %y: tensor<4096x2304xf16>) -> tensor<4096x2304xf16> attributes {
    schedule = #kernel.schedule<"gpu.matrix", {rows = 128 : i64, columns = 128 : i64, warp_rows = 8 : i64, warp_columns = 1 : i64, warp_depth = 1 : i64, stages = 3 : i64, splits = 1 : i64, groups = 1 : i64}>,
    tasks = #nn.expr<576>, tenon.alignments = array<i64: 16, 16, 16, 16>} {
  %w = kernel.unpack %packed {packing = #kernel.packing<padded = [2304, 768], split = [72, 4, 4, 2, 768], perm = [0, 2, 1, 3, 4]>} : tensor<72x4x4x2x768xf16> -> tensor<2304x768xf16>
  %0 = nn.matmul %x, %w {transpose_rhs} : tensor<4096x768xf16>, tensor<2304x768xf16> -> tensor<4096x2304xf16>
  %1 = nn.add %0, %y : tensor<4096x2304xf16>, tensor<4096x2304xf16> -> tensor<4096x2304xf16>
  kernel.return %1 : tensor<4096x2304xf16>
}

// Two groups share the depth, two stages are a round: eight products for each 16 of the depth of a round, half of them each group's.
// CHECK-LABEL: .visible .entry round(
// CHECK:         cp.async.wait_group 2;
// CHECK-COUNT-4: wgmma.mma_async.sync.aligned.m64n32k16.f32.bf16.bf16
// CHECK-SAME:    wgmma.commit_group.sync.aligned;
// CHECK:         ret;
kernel.func private @round(%x: tensor<128x768xbf16>, %packed: tensor<768x768xbf16> {kernel.constant}) -> tensor<128x768xbf16> attributes {
    schedule = #kernel.schedule<"gpu.matrix", {rows = 64 : i64, columns = 32 : i64, warp_rows = 4 : i64, warp_columns = 1 : i64, warp_depth = 2 : i64, stages = 8 : i64, splits = 1 : i64, groups = 1 : i64, round = 2 : i64}>,
    tasks = #nn.expr<48>, tenon.alignments = array<i64: 16, 16, 16>} {
  %w = kernel.unpack %packed {packing = #kernel.packing<padded = [768, 768], split = [768, 768], perm = [0, 1]>} : tensor<768x768xbf16> -> tensor<768x768xbf16>
  %0 = nn.matmul %x, %w {transpose_rhs} : tensor<128x768xbf16>, tensor<768x768xbf16> -> tensor<128x768xbf16>
  kernel.return %0 : tensor<128x768xbf16>
}
