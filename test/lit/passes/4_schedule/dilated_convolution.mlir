// RUN: tenon-opt %s --kernel-assign-schedules="target=x86-64-v3 exact-order" | FileCheck %s

// The weights outweigh the input: every core takes panels of its own over bands of many rows, and a band holds the rows of
// the three taps (3 * 5 of them), not the 29 that they span.
// CHECK: schedule = #kernel.schedule<"contraction", {a = "band", bh = 5 : i64
// CHECK-SAME: tm = 1 : i64, tn = 4 : i64}>, {{.*}}workspace_bytes = 3993600
kernel.func private @dilated(%x: tensor<1x40x40x1024xf32>, %w: tensor<256x1024x3x3xf32>) -> tensor<1x40x40x256xf32> {
  %0 = nn.conv %x, %w {strides = array<i64: 1, 1>, pads = array<i64: 12, 12, 12, 12>, dilations = array<i64: 12, 12>, layout = #nn.layout<channels_last>} : tensor<1x40x40x1024xf32>, tensor<256x1024x3x3xf32> -> tensor<1x40x40x256xf32>
  kernel.return %0 : tensor<1x40x40x256xf32>
}
func.func @main(%x: tensor<1x40x40x1024xf32>) -> tensor<1x40x40x256xf32> {
  %w = nn.constant dense<0.5> : tensor<256x1024x3x3xf32>
  %0 = kernel.dispatch @dilated(%x, %w) : (tensor<1x40x40x1024xf32>, tensor<256x1024x3x3xf32>) -> tensor<1x40x40x256xf32>
  return %0 : tensor<1x40x40x256xf32>
}
