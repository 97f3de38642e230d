// RUN: tenon-opt %s --codegen-emit-cpu="target=cuda:sm_89 assembly" | FileCheck %s
// RUN: tenon-opt %s --codegen-emit-cpu="target=cuda:sm_90a assembly" | FileCheck %s --check-prefix=HOPPER

// Floats of 8 bits on matrix units: a step of 128 elements is four products deep for each of the warp's fragments.
// CHECK-LABEL: .visible .entry product(
// CHECK:         cp.async.cg.shared.global
// CHECK:         ldmatrix.sync.aligned.m8n8.x4.shared.b16
// CHECK:         mma.sync.aligned.m16n8k32.row.col.f32.e4m3.e4m3.f32
// CHECK:         ret;
kernel.func private @product(%x: tensor<128x768xf8E4M3FN>, %packed: tensor<768x768xf8E4M3FN> {kernel.constant}) -> tensor<128x768xf32> attributes {
    schedule = #kernel.schedule<"gpu.matrix", {rows = 32 : i64, columns = 32 : i64, warp_rows = 2 : i64, warp_columns = 1 : i64, warp_depth = 2 : i64, stages = 6 : i64, splits = 1 : i64}>,
    tasks = #nn.expr<96>, tenon.alignments = array<i64: 16, 16, 16>} {
  %w = kernel.unpack %packed {packing = #kernel.packing<padded = [768, 768], split = [768, 768], perm = [0, 1]>} : tensor<768x768xf8E4M3FN> -> tensor<768x768xf8E4M3FN>
  %0 = nn.matmul %x, %w {transpose_rhs} : tensor<128x768xf8E4M3FN>, tensor<768x768xf8E4M3FN> -> tensor<128x768xf32>
  kernel.return %0 : tensor<128x768xf32>
}

// Four warps together add up 128 of the depth by themselves, from 0 on, and then to the sums in f32: Hopper's own have fewer bits.
// HOPPER-LABEL: .visible .entry groups(
// HOPPER:         wgmma.wait_group.sync.aligned 0;
// HOPPER-COUNT-32: add.rn.f32
// HOPPER:         setp.eq.u32 adds, 1, 0; wgmma.fence.sync.aligned; wgmma.mma_async.sync.aligned.m64n64k32.f32.e4m3.e4m3
// HOPPER-SAME:    adds, 1, 1; setp.eq.u32 adds, 0, 0; wgmma.mma_async
// HOPPER:         ret;
kernel.func private @groups(%x: tensor<128x768xf8E4M3FN>, %packed: tensor<768x768xf8E4M3FN> {kernel.constant}) -> tensor<128x768xf32> attributes {
    schedule = #kernel.schedule<"gpu.matrix", {rows = 64 : i64, columns = 64 : i64, warp_rows = 4 : i64, warp_columns = 1 : i64, warp_depth = 1 : i64, stages = 3 : i64, splits = 1 : i64, groups = 1 : i64}>,
    tasks = #nn.expr<24>, tenon.alignments = array<i64: 16, 16, 16>} {
  %w = kernel.unpack %packed {packing = #kernel.packing<padded = [768, 768], split = [768, 768], perm = [0, 1]>} : tensor<768x768xf8E4M3FN> -> tensor<768x768xf8E4M3FN>
  %0 = nn.matmul %x, %w {transpose_rhs} : tensor<128x768xf8E4M3FN>, tensor<768x768xf8E4M3FN> -> tensor<128x768xf32>
  kernel.return %0 : tensor<128x768xf32>
}
