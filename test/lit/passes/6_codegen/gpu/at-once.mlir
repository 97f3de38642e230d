// RUN: tenon-opt %s --codegen-emit-cpu="target=cuda:sm_90a assembly" | FileCheck %s

// A block's nine steps have a stage each: their copies begin one after another, and the products of all nine run before the group waits for them.
// CHECK-LABEL: .visible .entry once(
// CHECK:         griddepcontrol.wait
// CHECK-COUNT-9: cp.async.commit_group;
// CHECK:         cp.async.wait_group 8;
// CHECK:         bar.sync 0;
// CHECK:         wgmma.mma_async
// CHECK-NOT:     wgmma.wait_group
// CHECK-NOT:     cp.async.cg
// CHECK:         cp.async.wait_group 0;
// CHECK:         wgmma.mma_async
// CHECK:         wgmma.wait_group.sync.aligned 0;
// CHECK-NOT:     wgmma
// CHECK:         ret;
kernel.func private @once(%x: tensor<196x2304xf16>, %packed: tensor<256x2304xf16> {kernel.constant}) -> tensor<196x256xf16> attributes {
    schedule = #kernel.schedule<"gpu.matrix", {rows = 64 : i64, columns = 64 : i64, warp_rows = 4 : i64, warp_columns = 1 : i64, warp_depth = 1 : i64, stages = 9 : i64, splits = 4 : i64, groups = 1 : i64}>,
    tasks = #nn.expr<64>, tenon.alignments = array<i64: 16, 16, 16>} {
  %w = kernel.unpack %packed {packing = #kernel.packing<padded = [256, 2304], split = [256, 2304], perm = [0, 1]>} : tensor<256x2304xf16> -> tensor<256x2304xf16>
  %0 = nn.matmul %x, %w {transpose_rhs} : tensor<196x2304xf16>, tensor<256x2304xf16> -> tensor<196x256xf16>
  kernel.return %0 : tensor<196x256xf16>
}

// Two operands side by side: steps of 64 that lie in the second one read there, at every other pixel of every other row.
// CHECK-LABEL: .visible .entry beside(
// CHECK:         cp.async.cg.shared.global
// CHECK:         griddepcontrol.wait
// CHECK:         cp.async.cg.shared.global
// CHECK-COUNT-3: cp.async.commit_group;
// CHECK-COUNT-12: wgmma.mma_async
// CHECK-NOT:     ld.global.b16
// CHECK:         ret;
kernel.func private @beside(%x: tensor<1x4x4x64xf16>, %y: tensor<1x8x8x128xf16>, %packed: tensor<2x4x4x2x1x192xf16> {kernel.constant}) -> tensor<1x4x4x64xf16> attributes {
    schedule = #kernel.schedule<"gpu.matrix", {rows = 64 : i64, columns = 64 : i64, warp_rows = 4 : i64, warp_columns = 1 : i64, warp_depth = 1 : i64, stages = 3 : i64, splits = 1 : i64, groups = 1 : i64}>,
    tasks = #nn.expr<1>, tenon.alignments = array<i64: 16, 16, 16, 16>} {
  %w = kernel.unpack %packed {packing = #kernel.packing<padded = [64, 192, 1, 1], split = [2, 4, 4, 2, 192, 1], perm = [0, 2, 1, 3, 5, 4]>} : tensor<2x4x4x2x1x192xf16> -> tensor<64x192x1x1xf16>
  %s = nn.slice %y {starts = #nn.dims<[0, 0, 0, 0]>, sizes = #nn.dims<[1, 4, 4, 128]>, steps = array<i64: 1, 2, 2, 1>} : tensor<1x8x8x128xf16> -> tensor<1x4x4x128xf16>
  %c = nn.concat %x, %s {axis = 3 : i64} : tensor<1x4x4x64xf16>, tensor<1x4x4x128xf16> -> tensor<1x4x4x192xf16>
  %0 = nn.conv %c, %w {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, layout = #nn.layout<channels_last>} : tensor<1x4x4x192xf16>, tensor<64x192x1x1xf16> -> tensor<1x4x4x64xf16>
  kernel.return %0 : tensor<1x4x4x64xf16>
}
