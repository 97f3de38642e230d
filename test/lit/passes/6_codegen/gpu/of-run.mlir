// RUN: tenon-opt %s --codegen-emit-cpu="target=cuda:sm_90a assembly" | FileCheck %s
// RUN: tenon-opt %s --codegen-emit-cpu="target=cuda:sm_75 assembly" | FileCheck %s --check-prefix=TURING

// Two tensors of a run, of which each of a batch has its own: 2 x 2 x 2 tiles. Rows of the right one are of columns, and fragments are of the
// depth: ldmatrix transposes them. Nothing of either is there before the kernel before has ended.
// CHECK-LABEL: .visible .entry across(
// CHECK-NOT:     cp.async
// CHECK:         griddepcontrol.wait
// CHECK:         cp.async.cg.shared.global
// CHECK:         ldmatrix.sync.aligned.m8n8.x4.shared.b16
// CHECK:         ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16
// CHECK:         mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32
// CHECK:         ret;
// TURING-LABEL: .visible .entry across(
// TURING:        ld.global.v4.b32
// TURING:        st.shared.v4.b32
// TURING:        ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16
// TURING:        mma.sync.aligned.m16n8k8.row.col.f32.f16.f16.f32
kernel.func private @across(%x: tensor<2x128x320xf16>, %y: tensor<2x320x128xf16>) -> tensor<2x128x128xf16> attributes {
    schedule = #kernel.schedule<"gpu.matrix", {rows = 64 : i64, columns = 64 : i64, warp_rows = 2 : i64, warp_columns = 2 : i64, warp_depth = 1 : i64, stages = 3 : i64, splits = 1 : i64}>,
    tasks = #nn.expr<8>, tenon.alignments = array<i64: 16, 16, 16>} {
  %0 = nn.matmul %x, %y : tensor<2x128x320xf16>, tensor<2x320x128xf16> -> tensor<2x128x128xf16>
  kernel.return %0 : tensor<2x128x128xf16>
}

// Rows of 37 halves do not begin at multiples of what one copy can bring: they are read one by one, and stored as chunks.
// CHECK-LABEL: .visible .entry odd(
// CHECK-NOT:     cp.async
// CHECK:         ld.global.b16
// CHECK:         st.shared.v4.b32
// CHECK:         ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16
// CHECK:         ret;
kernel.func private @odd(%x: tensor<128x37xf16>, %y: tensor<37x35xf16>) -> tensor<128x35xf16> attributes {
    schedule = #kernel.schedule<"gpu.matrix", {rows = 64 : i64, columns = 64 : i64, warp_rows = 2 : i64, warp_columns = 2 : i64, warp_depth = 1 : i64, stages = 1 : i64, splits = 1 : i64}>,
    tasks = #nn.expr<2>, tenon.alignments = array<i64: 16, 16, 16>} {
  %0 = nn.matmul %x, %y : tensor<128x37xf16>, tensor<37x35xf16> -> tensor<128x35xf16>
  kernel.return %0 : tensor<128x35xf16>
}

// And of 38 halves in pairs, of which the last ones of a chunk may be beyond the edge.
// CHECK-LABEL: .visible .entry pairs(
// CHECK:         cp.async.ca.shared.global {{.*}}, 4,
// CHECK-NOT:     ld.global.b16
// CHECK:         ret;
kernel.func private @pairs(%x: tensor<128x64xf16>, %y: tensor<64x38xf16>) -> tensor<128x38xf16> attributes {
    schedule = #kernel.schedule<"gpu.matrix", {rows = 64 : i64, columns = 64 : i64, warp_rows = 2 : i64, warp_columns = 2 : i64, warp_depth = 1 : i64, stages = 1 : i64, splits = 1 : i64}>,
    tasks = #nn.expr<2>, tenon.alignments = array<i64: 16, 16, 16>} {
  %0 = nn.matmul %x, %y : tensor<128x64xf16>, tensor<64x38xf16> -> tensor<128x38xf16>
  kernel.return %0 : tensor<128x38xf16>
}

