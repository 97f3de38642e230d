// RUN: tenon-opt %s --codegen-emit-cpu="target=cuda:sm_80 assembly" | FileCheck %s

// ldmatrix transposes halves alone: words of f32 come one by one, and are three products of parts.
// CHECK-LABEL: .visible .entry floats(
// CHECK:         cp.async.cg.shared.global
// CHECK:         ldmatrix.sync.aligned.m8n8.x4.shared.b16
// CHECK:         ld.shared.b32
// CHECK-NOT:     .trans.
// CHECK:         mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32
// CHECK:         ret;
kernel.func private @floats(%x: tensor<128x320xf32>, %y: tensor<320x128xf32>) -> tensor<128x128xf32> attributes {
    schedule = #kernel.schedule<"gpu.matrix", {rows = 64 : i64, columns = 64 : i64, warp_rows = 2 : i64, warp_columns = 2 : i64, warp_depth = 1 : i64, stages = 3 : i64, splits = 1 : i64}>,
    tasks = #nn.expr<4>, tenon.alignments = array<i64: 16, 16, 16>} {
  %0 = nn.matmul %x, %y : tensor<128x320xf32>, tensor<320x128xf32> -> tensor<128x128xf32>
  kernel.return %0 : tensor<128x128xf32>
}

// By leading bits: both are rounded, since matrix units cut off what is left, and no weights make up for it.
// CHECK-LABEL: .visible .entry leading(
// CHECK:         cvt.rna.tf32.f32
// CHECK:         mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32
// CHECK:         ret;
kernel.func private @leading(%x: tensor<128x320xf32>, %y: tensor<320x128xf32>) -> tensor<128x128xf32> attributes {
    schedule = #kernel.schedule<"gpu.matrix", {rows = 64 : i64, columns = 64 : i64, warp_rows = 2 : i64, warp_columns = 2 : i64, warp_depth = 1 : i64, stages = 3 : i64, splits = 1 : i64}>,
    tasks = #nn.expr<4>, tenon.alignments = array<i64: 16, 16, 16>} {
  %0 = nn.matmul %x, %y {kernel.tf32} : tensor<128x320xf32>, tensor<320x128xf32> -> tensor<128x128xf32>
  kernel.return %0 : tensor<128x128xf32>
}
