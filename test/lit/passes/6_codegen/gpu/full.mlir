// RUN: tenon-opt %s --codegen-emit-cpu="target=cuda:sm_90a assembly" | FileCheck %s

// f32 on matrix units: each element in two parts of eleven bits, three products of them; nothing is left of an element that has no more bits.
// CHECK-LABEL: .visible .entry product(
// CHECK:         cp.async.cg.shared.global
// CHECK:         ldmatrix.sync.aligned.m8n8.x4.shared.b16
// CHECK:         and.b32 {{.*}}, -8192;
// CHECK:         sub{{.*}}.f32
// CHECK-COUNT-3: mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32
// CHECK:         ret;
kernel.func private @product(%x: tensor<128x768xf32>, %packed: tensor<768x768xf32> {kernel.constant}) -> tensor<128x768xf32> attributes {
    schedule = #kernel.schedule<"gpu.matrix", {rows = 32 : i64, columns = 32 : i64, warp_rows = 2 : i64, warp_columns = 1 : i64, warp_depth = 2 : i64, stages = 6 : i64, splits = 1 : i64}>,
    tasks = #nn.expr<96>, tenon.alignments = array<i64: 16, 16, 16>} {
  %w = kernel.unpack %packed {packing = #kernel.packing<padded = [768, 768], split = [768, 768], perm = [0, 1]>} : tensor<768x768xf32> -> tensor<768x768xf32>
  %0 = nn.matmul %x, %w {transpose_rhs} : tensor<128x768xf32>, tensor<768x768xf32> -> tensor<128x768xf32>
  kernel.return %0 : tensor<128x768xf32>
}

// Eleven bits of each, where that is allowed: one product, of what was copied as it is.
// CHECK-LABEL: .visible .entry short(
// CHECK-NOT:     -8192
// CHECK:         ldmatrix.sync.aligned.m8n8.x4.shared.b16
// CHECK:         mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32
// CHECK:         ret;
kernel.func private @short(%x: tensor<128x768xf32>, %packed: tensor<768x768xf32> {kernel.constant}) -> tensor<128x768xf32> attributes {
    schedule = #kernel.schedule<"gpu.matrix", {rows = 32 : i64, columns = 32 : i64, warp_rows = 2 : i64, warp_columns = 1 : i64, warp_depth = 2 : i64, stages = 6 : i64, splits = 1 : i64}>,
    tasks = #nn.expr<96>, tenon.alignments = array<i64: 16, 16, 16>} {
  %w = kernel.unpack %packed {packing = #kernel.packing<padded = [768, 768], split = [768, 768], perm = [0, 1]>} : tensor<768x768xf32> -> tensor<768x768xf32>
  %0 = nn.matmul %x, %w {transpose_rhs, kernel.tf32} : tensor<128x768xf32>, tensor<768x768xf32> -> tensor<128x768xf32>
  kernel.return %0 : tensor<128x768xf32>
}

// Four warps together: a step of 32 elements is four instructions.
// CHECK-LABEL: .visible .entry groups(
// CHECK:         wgmma.mma_async.sync.aligned.m64n64k8.f32.tf32.tf32
// CHECK-SAME:    adds, 1, 1; wgmma.mma_async{{.*}} adds, 1, 1; wgmma.mma_async{{.*}} adds, 1, 1; wgmma.mma_async{{.*}} adds, 1, 1; wgmma.commit_group
// CHECK:         ret;
kernel.func private @groups(%x: tensor<128x768xf32>, %packed: tensor<768x768xf32> {kernel.constant}) -> tensor<128x768xf32> attributes {
    schedule = #kernel.schedule<"gpu.matrix", {rows = 64 : i64, columns = 64 : i64, warp_rows = 4 : i64, warp_columns = 1 : i64, warp_depth = 1 : i64, stages = 3 : i64, splits = 1 : i64, groups = 1 : i64}>,
    tasks = #nn.expr<24>, tenon.alignments = array<i64: 16, 16, 16>} {
  %w = kernel.unpack %packed {packing = #kernel.packing<padded = [768, 768], split = [768, 768], perm = [0, 1]>} : tensor<768x768xf32> -> tensor<768x768xf32>
  %0 = nn.matmul %x, %w {transpose_rhs, kernel.tf32} : tensor<128x768xf32>, tensor<768x768xf32> -> tensor<128x768xf32>
  kernel.return %0 : tensor<128x768xf32>
}

// Nothing staged: a thread reads four neighbouring elements of a row, two for each of two products, here in parts.
// CHECK-LABEL: .visible .entry direct(
// CHECK-NOT:     cp.async
// CHECK:         and.b32 {{.*}}, -8192;
// CHECK:         mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32
// CHECK:         ret;
kernel.func private @direct(%x: tensor<16x256xf32>, %packed: tensor<256x256xf32> {kernel.constant}) -> tensor<16x256xf32> attributes {
    schedule = #kernel.schedule<"gpu.matrix", {rows = 16 : i64, columns = 16 : i64, warp_rows = 1 : i64, warp_columns = 1 : i64, warp_depth = 4 : i64, stages = 2 : i64, splits = 1 : i64, direct = 1 : i64}>,
    tasks = #nn.expr<16>, tenon.alignments = array<i64: 16, 16, 16>} {
  %w = kernel.unpack %packed {packing = #kernel.packing<padded = [256, 256], split = [256, 256], perm = [0, 1]>} : tensor<256x256xf32> -> tensor<256x256xf32>
  %0 = nn.matmul %x, %w {transpose_rhs} : tensor<16x256xf32>, tensor<256x256xf32> -> tensor<16x256xf32>
  kernel.return %0 : tensor<16x256xf32>
}

// Three channels of an image are gathered one by one, four for each pixel.
// CHECK-LABEL: .visible .entry image(
// CHECK:         st.shared.v4.b32
// CHECK:         mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32
// CHECK:         ret;
kernel.func private @image(%x: tensor<1x16x16x3xf32>, %packed: tensor<16x3x3x4xf32> {kernel.constant}) -> tensor<1x8x8x16xf32> attributes {
    schedule = #kernel.schedule<"gpu.matrix", {rows = 32 : i64, columns = 32 : i64, warp_rows = 2 : i64, warp_columns = 1 : i64, warp_depth = 1 : i64, stages = 3 : i64, splits = 1 : i64}>,
    tasks = #nn.expr<2>, tenon.alignments = array<i64: 16, 16, 16>} {
  %w = kernel.unpack %packed {packing = #kernel.packing<padded = [16, 4, 3, 3], split = [16, 4, 3, 3], perm = [0, 2, 3, 1]>} : tensor<16x3x3x4xf32> -> tensor<16x3x3x3xf32>
  %0 = nn.conv %x, %w {strides = array<i64: 2, 2>, pads = array<i64: 1, 1, 1, 1>, dilations = array<i64: 1, 1>, layout = #nn.layout<channels_last>} : tensor<1x16x16x3xf32>, tensor<16x3x3x3xf32> -> tensor<1x8x8x16xf32>
  kernel.return %0 : tensor<1x8x8x16xf32>
}
