// RUN: tenon-opt %s --kernel-assign-schedules=target=cuda:sm_90 | FileCheck %s --check-prefix=FAMILY
// RUN: tenon-opt %s --kernel-assign-schedules=target=cuda:sm_90 --codegen-emit-cpu="target=cuda:sm_90 assembly" | FileCheck %s

// A warp has a row: the threads fold what they hold by exchanging it five times, and every one of them gets the result.
// FAMILY-LABEL: kernel.func private @softmax
// FAMILY-SAME:    schedule = #kernel.schedule<"gpu.rows"
// CHECK-LABEL: .visible .entry softmax(
// CHECK:         shfl.sync.bfly.b32 {{.*}}, 16, 31, -1;
// CHECK:         shfl.sync.bfly.b32 {{.*}}, 8, 31, -1;
// CHECK:         shfl.sync.bfly.b32 {{.*}}, 4, 31, -1;
// CHECK:         shfl.sync.bfly.b32 {{.*}}, 2, 31, -1;
// CHECK:         shfl.sync.bfly.b32 {{.*}}, 1, 31, -1;
// CHECK:         ret;
kernel.func private @softmax(%x: tensor<64x256xf32>) -> tensor<64x256xf32> {
  %0 = nn.softmax %x {axis = 1 : i64} : tensor<64x256xf32> -> tensor<64x256xf32>
  kernel.return %0 : tensor<64x256xf32>
}

// Rows of eight would leave most of a warp idle.
// FAMILY-LABEL: kernel.func private @short_rows
// FAMILY-SAME:    schedule = #kernel.schedule<"gpu.loops"
kernel.func private @short_rows(%x: tensor<64x8xf32>) -> tensor<64xf32> {
  %0 = nn.reduce %x {kind = #nn.reduce_kind<mean>, axes = array<i64: 1>} : tensor<64x8xf32> -> tensor<64xf32>
  kernel.return %0 : tensor<64xf32>
}

// So many short rows: four threads have one, 16 warps of a block 128.
// FAMILY-LABEL: kernel.func private @many_rows
// FAMILY-SAME:    schedule = #kernel.schedule<"gpu.rows", {threads = 512 : i64}>
// FAMILY-SAME:    tasks = #nn.expr<8400>
// CHECK-LABEL: .visible .entry many_rows(
// CHECK:         .reqntid 512
// CHECK:         shfl.sync.bfly.b32 {{.*}}, 2, 31, -1;
// CHECK:         ret;
kernel.func private @many_rows(%x: tensor<32x8400x4x16xf16>) -> tensor<32x8400x4x16xf16> {
  %0 = nn.softmax %x {axis = 3 : i64} : tensor<32x8400x4x16xf16> -> tensor<32x8400x4x16xf16>
  kernel.return %0 : tensor<32x8400x4x16xf16>
}
