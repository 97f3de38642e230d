// RUN: tenon-opt %s --codegen-emit-cpu="target=cuda:sm_90a assembly" | FileCheck %s

// Backwards: a block takes the task that lies as far from the end as its own number from the beginning.
// CHECK-LABEL: .visible .entry blocks(
// CHECK-DAG:     mov.u32 %[[BLOCKS:r[0-9]+]], %nctaid.x;
// CHECK-DAG:     mov.u32 %[[BLOCK:r[0-9]+]], %ctaid.x;
// CHECK:         not.b32 %[[BACK:r[0-9]+]], %[[BLOCK]];
// CHECK-NEXT:    add.s32 %{{r[0-9]+}}, %[[BLOCKS]], %[[BACK]];
// CHECK:         ret;
kernel.func private @blocks(%x: tensor<65536x64xf32>) -> tensor<65536x64xf32> attributes {
    schedule = #kernel.schedule<"gpu.rows", {threads = 128 : i64}>, tasks = #nn.expr<16384>, tenon.backward} {
  %0 = nn.softmax %x {axis = 1 : i64} : tensor<65536x64xf32> -> tensor<65536x64xf32>
  kernel.return %0 : tensor<65536x64xf32>
}

// CHECK-LABEL: .visible .entry forwards(
// CHECK-NOT:     %nctaid
// CHECK:         ret;
kernel.func private @forwards(%x: tensor<65536x64xf32>) -> tensor<65536x64xf32> attributes {
    schedule = #kernel.schedule<"gpu.rows", {threads = 128 : i64}>, tasks = #nn.expr<16384>} {
  %0 = nn.softmax %x {axis = 1 : i64} : tensor<65536x64xf32> -> tensor<65536x64xf32>
  kernel.return %0 : tensor<65536x64xf32>
}

// Blocks that stay for many tiles, here 131 for 1,728 of them, take the last ones first: both the warps that multiply and those that copy.
// CHECK-LABEL: .visible .entry stays(
// CHECK:         %nctaid.x
// CHECK-COUNT-2: sub.s64 %rd{{[0-9]+}}, 1727, %rd{{[0-9]+}};
// CHECK:         ret;
kernel.func private @stays(%x: tensor<32x80x80x32xf16>, %packed: tensor<1x9x4x1x4x4x2x8xf16> {kernel.constant}) -> tensor<32x80x80x32xf16> attributes {
    schedule = #kernel.schedule<"gpu.matrix", {rows = 128 : i64, columns = 32 : i64, warp_rows = 4 : i64, warp_columns = 1 : i64, warp_depth = 1 : i64, stages = 4 : i64, splits = 1 : i64, groups = 1 : i64, resident = 1 : i64, teams = 2 : i64, tile_width = 40 : i64}>,
    tasks = #nn.expr<131>, tenon.alignments = array<i64: 16, 16, 16>, tenon.backward} {
  %w = kernel.unpack %packed {packing = #kernel.packing<padded = [32, 32, 3, 3], split = [1, 1, 4, 4, 2, 4, 8, 9], perm = [0, 7, 5, 1, 3, 2, 4, 6]>} : tensor<1x9x4x1x4x4x2x8xf16> -> tensor<32x32x3x3xf16>
  %0 = nn.conv %x, %w {dilations = array<i64: 1, 1>, layout = #nn.layout<channels_last>, pads = array<i64: 1, 1, 1, 1>, strides = array<i64: 1, 1>} : tensor<32x80x80x32xf16>, tensor<32x32x3x3xf16> -> tensor<32x80x80x32xf16>
  kernel.return %0 : tensor<32x80x80x32xf16>
}
