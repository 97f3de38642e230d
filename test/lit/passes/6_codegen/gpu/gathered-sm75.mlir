// RUN: tenon-opt %s --kernel-assign-schedules=target=cuda:sm_75 | FileCheck %s

// 33 channels are gathered one by one, which on sm_75 wait in registers: a thread has four chunks of a step, not eight, however many rows there are.
// CHECK-LABEL: kernel.func private @gathered
// CHECK-SAME:    "gpu.matrix", {columns = 32 : i64,
// CHECK-SAME:    rows = 128 : i64,
// CHECK-SAME:    warp_columns = 1 : i64, warp_depth = 2 : i64, warp_rows = 4 : i64
kernel.func private @gathered(%x: tensor<8x172x88x33xf16>, %w: tensor<1x33x3x3xf16> {kernel.constant}) -> tensor<8x172x88x1xf16> {
  %0 = nn.conv %x, %w {strides = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>, dilations = array<i64: 1, 1>, layout = #nn.layout<channels_last>} : tensor<8x172x88x33xf16>, tensor<1x33x3x3xf16> -> tensor<8x172x88x1xf16>
  kernel.return %0 : tensor<8x172x88x1xf16>
}
