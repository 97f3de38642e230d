// RUN: tenon-opt %s --codegen-emit-cpu="target=cuda:sm_90a assembly" | FileCheck %s

// Four warps together read the right operand as it lies, rows of the depth with 64 columns each: the last of the constants transposes it.
// CHECK-LABEL: .visible .entry panels(
// CHECK:         griddepcontrol.wait
// CHECK:         cp.async.cg.shared.global
// CHECK:         wgmma.mma_async.sync.aligned.m64n128k16.f32.f16.f16
// CHECK-SAME:    adds, 1, 1, 0, 1;
// CHECK:         ret;
kernel.func private @panels(%x: tensor<128x320xf16>, %y: tensor<320x256xf16>) -> tensor<128x256xf16> attributes {
    schedule = #kernel.schedule<"gpu.matrix", {rows = 64 : i64, columns = 128 : i64, warp_rows = 4 : i64, warp_columns = 1 : i64, warp_depth = 1 : i64, stages = 3 : i64, splits = 1 : i64, groups = 1 : i64}>,
    tasks = #nn.expr<4>, tenon.alignments = array<i64: 16, 16, 16>} {
  %0 = nn.matmul %x, %y : tensor<128x320xf16>, tensor<320x256xf16> -> tensor<128x256xf16>
  kernel.return %0 : tensor<128x256xf16>
}

// Columns whose depth lies together are as packed weights are.
// CHECK-LABEL: .visible .entry rows(
// CHECK:         wgmma.mma_async.sync.aligned.m64n128k16.f32.f16.f16
// CHECK-SAME:    adds, 1, 1, 0, 0;
// CHECK:         ret;
kernel.func private @rows(%x: tensor<128x320xf16>, %y: tensor<256x320xf16>) -> tensor<128x256xf16> attributes {
    schedule = #kernel.schedule<"gpu.matrix", {rows = 64 : i64, columns = 128 : i64, warp_rows = 4 : i64, warp_columns = 1 : i64, warp_depth = 1 : i64, stages = 3 : i64, splits = 1 : i64, groups = 1 : i64}>,
    tasks = #nn.expr<4>, tenon.alignments = array<i64: 16, 16, 16>} {
  %0 = nn.matmul %x, %y {transpose_rhs} : tensor<128x320xf16>, tensor<256x320xf16> -> tensor<128x256xf16>
  kernel.return %0 : tensor<128x256xf16>
}
