// RUN: tenon-opt %s --codegen-emit-cpu="target=cuda:sm_90a assembly" | FileCheck %s

// A product sums up its rows: of 32 neighbours a thread has eight, four threads exchange what they have, the first one stores.
// CHECK-LABEL: .visible .entry gives(
// CHECK:         mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32
// CHECK:         shfl.sync.bfly.b32 {{.*}}, 1, 31, -1;
// CHECK:         shfl.sync.bfly.b32 {{.*}}, 2, 31, -1;
// CHECK:         st.global.b32
// CHECK:         shfl.sync.bfly.b32 {{.*}}, 1, 31, -1;
// CHECK:         shfl.sync.bfly.b32 {{.*}}, 2, 31, -1;
// CHECK:         st.global.b32
// CHECK:         ret;
kernel.func private @gives(%x: tensor<100x256xf16>, %packed: tensor<768x256xf16> {kernel.constant}) -> (tensor<100x768xf16>, tensor<100x24xf32>, tensor<100x24xf32>) attributes {
    schedule = #kernel.schedule<"gpu.matrix", {rows = 64 : i64, columns = 64 : i64, warp_rows = 4 : i64, warp_columns = 2 : i64, warp_depth = 1 : i64, stages = 4 : i64, splits = 1 : i64}>,
    tasks = #nn.expr<24>, tenon.alignments = array<i64: 16, 16, 16, 16, 16>} {
  %w = kernel.unpack %packed {packing = #kernel.packing<padded = [768, 256], split = [768, 256], perm = [0, 1]>} : tensor<768x256xf16> -> tensor<768x256xf16>
  %0 = nn.matmul %x, %w {transpose_rhs} : tensor<100x256xf16>, tensor<768x256xf16> -> tensor<100x768xf16>
  %1 = nn.relu %0 : tensor<100x768xf16> -> tensor<100x768xf16>
  %2 = nn.reshape %1 {dims = #nn.dims<[100, 24, 32]>} : tensor<100x768xf16> -> tensor<100x24x32xf16>
  %3 = nn.cast %2 {to = f32} : tensor<100x24x32xf16> -> tensor<100x24x32xf32>
  %4 = nn.reduce %3 {kind = #nn.reduce_kind<sum>, axes = array<i64: 2>} : tensor<100x24x32xf32> -> tensor<100x24xf32>
  %5 = nn.reduce %3 {kind = #nn.reduce_kind<sum_square>, axes = array<i64: 2>} : tensor<100x24x32xf32> -> tensor<100x24xf32>
  kernel.return %1, %4, %5 : tensor<100x768xf16>, tensor<100x24xf32>, tensor<100x24xf32>
}

// Another takes the sums: constants are read before the kernel before has ended, sums of the rows, 16 bytes at a time, behind the copies of the first
// stages, and what is made of them goes to shared memory when the products are done.
// CHECK-LABEL: .visible .entry takes(
// CHECK:         ld.global{{.*}}.v4
// CHECK:         griddepcontrol.wait;
// CHECK:         cp.async.cg.shared.global
// CHECK:         ld.global{{.*}}.v4
// CHECK:         mma.sync
// CHECK:         shfl.sync.bfly.b32 {{.*}}, 1, 31, -1;
// CHECK:         rsqrt.approx.ftz.f32
// CHECK:         st.shared.v2.b32
// CHECK:         bar.sync
// CHECK:         ld.shared.v2.f32
// CHECK:         st.global.v4
// CHECK:         ret;
kernel.func private @takes(%x: tensor<100x768xf16>, %packed: tensor<256x768xf16> {kernel.constant}, %sums: tensor<100x24xf32>, %c: tensor<256xf32> {kernel.constant}) -> tensor<100x256xf16> attributes {
    schedule = #kernel.schedule<"gpu.matrix", {rows = 64 : i64, columns = 64 : i64, warp_rows = 4 : i64, warp_columns = 2 : i64, warp_depth = 1 : i64, stages = 4 : i64, splits = 1 : i64}>,
    tasks = #nn.expr<8>, tenon.alignments = array<i64: 16, 16, 16, 16, 16>} {
  %w = kernel.unpack %packed {packing = #kernel.packing<padded = [256, 768], split = [256, 768], perm = [0, 1]>} : tensor<256x768xf16> -> tensor<256x768xf16>
  %total = nn.reduce %sums {kind = #nn.reduce_kind<sum>, axes = array<i64: 1>, keep_dims} : tensor<100x24xf32> -> tensor<100x1xf32>
  %root = nn.sqrt %total : tensor<100x1xf32> -> tensor<100x1xf32>
  %scale = nn.reciprocal %root : tensor<100x1xf32> -> tensor<100x1xf32>
  %0 = nn.matmul %x, %w {transpose_rhs} : tensor<100x768xf16>, tensor<256x768xf16> -> tensor<100x256xf16>
  %1 = nn.cast %0 {to = f32} : tensor<100x256xf16> -> tensor<100x256xf32>
  %2 = nn.mul %1, %scale : tensor<100x256xf32>, tensor<100x1xf32> -> tensor<100x256xf32>
  %3 = nn.mul %scale, %c : tensor<100x1xf32>, tensor<256xf32> -> tensor<100x256xf32>
  %4 = nn.sub %2, %3 : tensor<100x256xf32>, tensor<100x256xf32> -> tensor<100x256xf32>
  %5 = nn.cast %4 {to = f16} : tensor<100x256xf32> -> tensor<100x256xf16>
  kernel.return %5 : tensor<100x256xf16>
}

// A group of four warps takes sums of rows, adds a row that is read, and gives sums: threads that share two rows of it keep what they make of their statistics in
// registers, where they finish eight neighbours of each of two parts, and add up their sums among themselves. No shared memory is written but by copies.
// CHECK-LABEL: .visible .entry both(
// CHECK:         griddepcontrol.wait;
// CHECK:         ld.global{{.*}}.v4
// CHECK:         wgmma.mma_async
// CHECK-NOT:     st.shared
// CHECK:         rsqrt.approx.ftz.f32
// CHECK-NOT:     st.shared
// CHECK:         st.global.v4.b32
// CHECK-NOT:     st.shared
// CHECK:         shfl.sync.bfly.b32 {{.*}}, 1, 31, -1;
// CHECK:         shfl.sync.bfly.b32 {{.*}}, 2, 31, -1;
// CHECK:         st.global.b32
// CHECK-NOT:     st.shared
// CHECK:         ret;
kernel.func private @both(%x: tensor<100x768xf16>, %packed: tensor<4x4x4x2x768xf16> {kernel.constant}, %sums: tensor<100x24xf32>, %r: tensor<100x128xf16>) -> (tensor<100x128xf16>, tensor<100x4xf32>) attributes {
    schedule = #kernel.schedule<"gpu.matrix", {rows = 64 : i64, columns = 64 : i64, warp_rows = 4 : i64, warp_columns = 1 : i64, warp_depth = 1 : i64, stages = 12 : i64, splits = 1 : i64, groups = 1 : i64, round = 2 : i64}>,
    tasks = #nn.expr<4>, tenon.alignments = array<i64: 16, 16, 16, 16, 16, 16>} {
  %w = kernel.unpack %packed {packing = #kernel.packing<padded = [128, 768], split = [4, 4, 4, 2, 768], perm = [0, 2, 1, 3, 4]>} : tensor<4x4x4x2x768xf16> -> tensor<128x768xf16>
  %total = nn.reduce %sums {kind = #nn.reduce_kind<sum>, axes = array<i64: 1>, keep_dims} : tensor<100x24xf32> -> tensor<100x1xf32>
  %root = nn.sqrt %total : tensor<100x1xf32> -> tensor<100x1xf32>
  %scale = nn.reciprocal %root : tensor<100x1xf32> -> tensor<100x1xf32>
  %0 = nn.matmul %x, %w {transpose_rhs} : tensor<100x768xf16>, tensor<128x768xf16> -> tensor<100x128xf16>
  %1 = nn.cast %0 {to = f32} : tensor<100x128xf16> -> tensor<100x128xf32>
  %2 = nn.mul %1, %scale : tensor<100x128xf32>, tensor<100x1xf32> -> tensor<100x128xf32>
  %3 = nn.cast %2 {to = f16} : tensor<100x128xf32> -> tensor<100x128xf16>
  %4 = nn.add %3, %r : tensor<100x128xf16>, tensor<100x128xf16> -> tensor<100x128xf16>
  %5 = nn.reshape %4 {dims = #nn.dims<[100, 4, 32]>} : tensor<100x128xf16> -> tensor<100x4x32xf16>
  %6 = nn.cast %5 {to = f32} : tensor<100x4x32xf16> -> tensor<100x4x32xf32>
  %7 = nn.reduce %6 {kind = #nn.reduce_kind<sum>, axes = array<i64: 2>} : tensor<100x4x32xf32> -> tensor<100x4xf32>
  kernel.return %4, %7 : tensor<100x128xf16>, tensor<100x4xf32>
}
