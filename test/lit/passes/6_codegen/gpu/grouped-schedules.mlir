// RUN: tenon-opt %s --kernel-assign-schedules=target=cuda:sm_80 | FileCheck %s

// Twenty groups of 16 channels, 14 x 14 pixels: a tile has 16 columns, of one group, and 144 of depth are three steps of 64, whose copies begin at once.
// CHECK-LABEL: kernel.func private @chosen
// CHECK-SAME:    #kernel.schedule<"gpu.matrix", {columns = 16 : i64, direct = 0 : i64, groups = 0 : i64
kernel.func private @chosen(%x: tensor<1x14x14x320xf16>, %w: tensor<320x16x3x3xf16> {kernel.constant}) -> tensor<1x14x14x320xf16> attributes {tenon.alignments = array<i64: 16, 16, 16>} {
  %0 = nn.conv %x, %w {strides = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>, dilations = array<i64: 1, 1>, groups = 20 : i64, layout = #nn.layout<channels_last>} : tensor<1x14x14x320xf16>, tensor<320x16x3x3xf16> -> tensor<1x14x14x320xf16>
  kernel.return %0 : tensor<1x14x14x320xf16>
}

// Groups whose columns do not fill two fragments stay a thread for each element.
// CHECK-LABEL: kernel.func private @narrow
// CHECK-SAME:    "gpu.loops"
kernel.func private @narrow(%x: tensor<1x14x14x72xf16>, %w: tensor<72x24x3x3xf16> {kernel.constant}) -> tensor<1x14x14x72xf16> attributes {tenon.alignments = array<i64: 16, 16, 16>} {
  %0 = nn.conv %x, %w {strides = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>, dilations = array<i64: 1, 1>, groups = 3 : i64, layout = #nn.layout<channels_last>} : tensor<1x14x14x72xf16>, tensor<72x24x3x3xf16> -> tensor<1x14x14x72xf16>
  kernel.return %0 : tensor<1x14x14x72xf16>
}
