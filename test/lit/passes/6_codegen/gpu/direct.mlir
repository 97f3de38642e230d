// RUN: tenon-opt %s --codegen-emit-cpu="target=cuda:sm_90 assembly" | FileCheck %s

// Few rows and a deep sum: eight warps of a block share the depth, and none waits for another before they add up. The first weights are on their way
// before the kernel waits for the one before.
// CHECK-LABEL: .visible .entry deep(
// CHECK:         .reqntid 256
// CHECK-NOT:     cp.async
// CHECK-NOT:     bar.sync
// CHECK:         ld.global.nc.v4.b32
// CHECK:         griddepcontrol.wait
// CHECK:         @p ld.global.v4.b32
// CHECK:         mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32
// CHECK:         bar.sync
// CHECK:         ret;
kernel.func private @deep(%x: tensor<49x4608xf16>, %packed: tensor<512x4608xf16> {kernel.constant}) -> tensor<49x512xf16> attributes {
    schedule = #kernel.schedule<"gpu.matrix", {rows = 16 : i64, columns = 32 : i64, warp_rows = 1 : i64, warp_columns = 1 : i64, warp_depth = 8 : i64, stages = 2 : i64, splits = 1 : i64, direct = 1 : i64}>,
    tasks = #nn.expr<64>, tenon.alignments = array<i64: 16, 16, 16>} {
  %w = kernel.unpack %packed {packing = #kernel.packing<padded = [512, 4608], split = [512, 4608], perm = [0, 1]>} : tensor<512x4608xf16> -> tensor<512x4608xf16>
  %0 = nn.matmul %x, %w {transpose_rhs} : tensor<49x4608xf16>, tensor<512x4608xf16> -> tensor<49x512xf16>
  kernel.return %0 : tensor<49x512xf16>
}
