// RUN: tenon-opt %s --codegen-emit-cpu="target=cuda:sm_80 assembly" | FileCheck %s

// Four warps have 16 rows each: of a step four products deep each multiplies two fragments.
// CHECK-LABEL: .visible .entry staged(
// CHECK:         .reqntid 128
// CHECK:         cp.async.cg.shared.global
// CHECK:         ldmatrix.sync.aligned.m8n8.x4.shared.b16
// CHECK-COUNT-24: mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32
// CHECK-NOT:     mma.sync
// CHECK:         ret;
kernel.func private @staged(%x: tensor<1x14x14x320xf16>, %packed: tensor<320x3x3x16xf16> {kernel.constant}) -> tensor<1x14x14x320xf16> attributes {
    schedule = #kernel.schedule<"gpu.matrix", {rows = 64 : i64, columns = 16 : i64, warp_rows = 4 : i64, warp_columns = 1 : i64, warp_depth = 1 : i64, stages = 3 : i64, splits = 1 : i64}>,
    tasks = #nn.expr<80>, tenon.alignments = array<i64: 16, 16, 16>} {
  %w = kernel.unpack %packed {packing = #kernel.packing<padded = [320, 16, 3, 3], split = [320, 16, 3, 3], perm = [0, 2, 3, 1]>} : tensor<320x3x3x16xf16> -> tensor<320x16x3x3xf16>
  %0 = nn.conv %x, %w {strides = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>, dilations = array<i64: 1, 1>, groups = 20 : i64, layout = #nn.layout<channels_last>} : tensor<1x14x14x320xf16>, tensor<320x16x3x3xf16> -> tensor<1x14x14x320xf16>
  kernel.return %0 : tensor<1x14x14x320xf16>
}
