// RUN: tenon-opt %s --kernel-assign-schedules=target=znver2 | FileCheck %s

// The most specific family takes a kernel; what none of them takes goes the general road.

// A depthwise convolution with its activation.
// CHECK-LABEL: @depthwise
// CHECK-SAME:    "depthwise"
kernel.func private @depthwise(%x: tensor<1x14x14x32xf32>, %w: tensor<32x1x3x3xf32>) -> tensor<1x14x14x32xf32> {
  %0 = nn.conv %x, %w {strides = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>, dilations = array<i64: 1, 1>, groups = 32 : i64, layout = #nn.layout<channels_last>}
     : tensor<1x14x14x32xf32>, tensor<32x1x3x3xf32> -> tensor<1x14x14x32xf32>
  %1 = nn.relu %0 : tensor<1x14x14x32xf32> -> tensor<1x14x14x32xf32>
  kernel.return %1 : tensor<1x14x14x32xf32>
}

// An image to channels last: three planes are interleaved in registers.
// CHECK-LABEL: @channels_last
// CHECK-SAME:    "transpose"
kernel.func private @channels_last(%x: tensor<1x3x32x32xf32>) -> tensor<1x32x32x3xf32> {
  %0 = nn.transpose %x {perm = array<i64: 0, 2, 3, 1>} : tensor<1x3x32x32xf32> -> tensor<1x32x32x3xf32>
  kernel.return %0 : tensor<1x32x32x3xf32>
}

// Rows of 100 floats, in scratch memory of whole cache lines.
// CHECK-LABEL: @softmax
// CHECK-SAME:    "row_reduction"
// CHECK-SAME:    workspace_bytes = 448
kernel.func private @softmax(%x: tensor<8x100xf32>) -> tensor<8x100xf32> {
  %0 = nn.softmax %x {axis = 1 : i64} : tensor<8x100xf32> -> tensor<8x100xf32>
  kernel.return %0 : tensor<8x100xf32>
}

// An elementwise kernel may write over an operand of its own shape; the bias is none.
// CHECK-LABEL: @add
// CHECK-SAME:    overwrites = array<i64: 1>
// CHECK-SAME:    "loops"
kernel.func private @add(%b: tensor<64xf32>, %x: tensor<4x64xf32>) -> tensor<4x64xf32> {
  %0 = nn.add %x, %b : tensor<4x64xf32>, tensor<64xf32> -> tensor<4x64xf32>
  kernel.return %0 : tensor<4x64xf32>
}

// One output channel: vectors lie along the 3 * 32 elements that a row of the filter reads, not along the channels.
// CHECK-LABEL: @one_channel
// CHECK-SAME:    "narrow_convolution", {pixels = 8 : i64
kernel.func private @one_channel(%x: tensor<1x14x14x32xf32>, %w: tensor<1x32x3x3xf32> {kernel.constant}) -> tensor<1x14x14x1xf32> {
  %0 = nn.conv %x, %w {strides = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>, dilations = array<i64: 1, 1>, layout = #nn.layout<channels_last>}
     : tensor<1x14x14x32xf32>, tensor<1x32x3x3xf32> -> tensor<1x14x14x1xf32>
  kernel.return %0 : tensor<1x14x14x1xf32>
}
