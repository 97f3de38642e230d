// RUN: tenon-opt %s --codegen-emit-cpu="target=cuda:sm_90 assembly" | FileCheck %s

// What a gate multiplies is copied as it lies; its factors, one for each channel, go to shared memory once and meet the fragments in registers.
// CHECK-LABEL: .visible .entry staged(
// CHECK:         cp.async.cg.shared.global
// CHECK:         griddepcontrol.wait
// CHECK:         ldmatrix.sync
// CHECK:         ld.shared.b32
// CHECK:         mul{{.*}}.f16x2
// CHECK:         mma.sync
// CHECK:         ret;
kernel.func private @staged(%x: tensor<1x14x14x480xf16>, %gate: tensor<1x1x1x480xf16>, %packed: tensor<80x1x1x480xf16> {kernel.constant}) -> tensor<1x14x14x80xf16> attributes {
    schedule = #kernel.schedule<"gpu.matrix", {rows = 32 : i64, columns = 32 : i64, warp_rows = 2 : i64, warp_columns = 1 : i64, warp_depth = 2 : i64, stages = 10 : i64, splits = 1 : i64}>,
    tasks = #nn.expr<21>, tenon.alignments = array<i64: 16, 16, 16, 16>} {
  %w = kernel.unpack %packed {packing = #kernel.packing<padded = [80, 480, 1, 1], split = [80, 480, 1, 1], perm = [0, 2, 3, 1]>} : tensor<80x1x1x480xf16> -> tensor<80x480x1x1xf16>
  %0 = nn.mul %x, %gate : tensor<1x14x14x480xf16>, tensor<1x1x1x480xf16> -> tensor<1x14x14x480xf16>
  %1 = nn.conv %0, %w {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, layout = #nn.layout<channels_last>} : tensor<1x14x14x480xf16>, tensor<80x480x1x1xf16> -> tensor<1x14x14x80xf16>
  kernel.return %1 : tensor<1x14x14x80xf16>
}

// CHECK-LABEL: .visible .entry direct(
// CHECK-NOT:     cp.async
// CHECK:         @p ld.global.v4.b32
// CHECK:         mul{{.*}}.f16x2
// CHECK:         mma.sync
// CHECK:         ret;
kernel.func private @direct(%gate: tensor<1x1x1x480xf16>, %x: tensor<1x14x14x480xf16>, %packed: tensor<80x1x1x480xf16> {kernel.constant}) -> tensor<1x14x14x80xf16> attributes {
    schedule = #kernel.schedule<"gpu.matrix", {rows = 16 : i64, columns = 16 : i64, warp_rows = 1 : i64, warp_columns = 1 : i64, warp_depth = 4 : i64, stages = 2 : i64, splits = 1 : i64, direct = 1 : i64}>,
    tasks = #nn.expr<65>, tenon.alignments = array<i64: 16, 16, 16, 16>} {
  %w = kernel.unpack %packed {packing = #kernel.packing<padded = [80, 480, 1, 1], split = [80, 480, 1, 1], perm = [0, 2, 3, 1]>} : tensor<80x1x1x480xf16> -> tensor<80x480x1x1xf16>
  %0 = nn.mul %gate, %x : tensor<1x1x1x480xf16>, tensor<1x14x14x480xf16> -> tensor<1x14x14x480xf16>
  %1 = nn.conv %0, %w {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, layout = #nn.layout<channels_last>} : tensor<1x14x14x480xf16>, tensor<80x480x1x1xf16> -> tensor<1x14x14x80xf16>
  kernel.return %1 : tensor<1x14x14x80xf16>
}
