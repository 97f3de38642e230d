// RUN: tenon-opt %s --kernel-assign-schedules=target=cuda:sm_90a | FileCheck %s
// RUN: tenon-opt %s --kernel-assign-schedules=target=cuda:sm_90 | FileCheck %s --check-prefix=PORTABLE

// Many rows and a wide result: groups of warps where the architecture has their products, and nowhere else.
// CHECK-LABEL:    kernel.func private @product
// CHECK-SAME:       groups = 1
// PORTABLE-LABEL: kernel.func private @product
// PORTABLE-SAME:    groups = 0
kernel.func private @product(%x: tensor<4096x768xf16>, %w: tensor<2304x768xf16> {kernel.constant}) -> tensor<4096x2304xf16> {
  %0 = nn.matmul %x, %w {transpose_rhs} : tensor<4096x768xf16>, tensor<2304x768xf16> -> tensor<4096x2304xf16>
  kernel.return %0 : tensor<4096x2304xf16>
}

// A product of a size that was measured takes the tile that won, not the cost model's.
// CHECK-LABEL: kernel.func private @measured
// CHECK-SAME:    schedule = #kernel.schedule<"gpu.matrix", {columns = 64 : i64, direct = 0 : i64, groups = 1 : i64, pipeline = 0 : i64, round = 2 : i64, rows = 64 : i64, splits = 8 : i64, stages = 10 : i64
// CHECK-SAME:    tasks = #nn.expr<64>
kernel.func private @measured(%x: tensor<1x7x7x512xf16>, %w: tensor<512x512x3x3xf16> {kernel.constant}) -> tensor<1x7x7x512xf16> {
  %0 = nn.conv %x, %w {strides = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>, dilations = array<i64: 1, 1>, layout = #nn.layout<channels_last>} : tensor<1x7x7x512xf16>, tensor<512x512x3x3xf16> -> tensor<1x7x7x512xf16>
  kernel.return %0 : tensor<1x7x7x512xf16>
}

// So do convolutions with a stride: their products are smaller than those of their channels without one.
// CHECK-LABEL: kernel.func private @strided
// CHECK-SAME:    schedule = #kernel.schedule<"gpu.matrix", {columns = 32 : i64, direct = 0 : i64, groups = 0 : i64, pipeline = 0 : i64, round = 1 : i64, rows = 32 : i64, splits = 2 : i64, stages = 9 : i64
kernel.func private @strided(%x: tensor<1x28x28x128xf16>, %w: tensor<256x128x3x3xf16> {kernel.constant}) -> tensor<1x14x14x256xf16> {
  %0 = nn.conv %x, %w {strides = array<i64: 2, 2>, pads = array<i64: 1, 1, 1, 1>, dilations = array<i64: 1, 1>, layout = #nn.layout<channels_last>} : tensor<1x28x28x128xf16>, tensor<256x128x3x3xf16> -> tensor<1x14x14x256xf16>
  kernel.return %0 : tensor<1x14x14x256xf16>
}

// Of one size there may be several: at stride 1 the first one is taken, of which stride 2 has no tiles.
// CHECK-LABEL: kernel.func private @stride_1
// CHECK-SAME:    resident = 1 : i64
// CHECK-SAME:    teams = 2 : i64, tile_width = 14 : i64, tma = 1 : i64
kernel.func private @stride_1(%x: tensor<32x40x40x64xf16>, %w: tensor<64x64x3x3xf16> {kernel.constant}) -> tensor<32x40x40x64xf16> {
  %0 = nn.conv %x, %w {strides = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>, dilations = array<i64: 1, 1>, layout = #nn.layout<channels_last>} : tensor<32x40x40x64xf16>, tensor<64x64x3x3xf16> -> tensor<32x40x40x64xf16>
  kernel.return %0 : tensor<32x40x40x64xf16>
}

// CHECK-LABEL: kernel.func private @stride_2
// CHECK-SAME:    resident = 1 : i64
// CHECK-SAME:    teams = 3 : i64, tile_width = 8 : i64, tma = 1 : i64
kernel.func private @stride_2(%x: tensor<32x80x80x64xf16>, %w: tensor<64x64x3x3xf16> {kernel.constant}) -> tensor<32x40x40x64xf16> {
  %0 = nn.conv %x, %w {strides = array<i64: 2, 2>, pads = array<i64: 1, 1, 1, 1>, dilations = array<i64: 1, 1>, layout = #nn.layout<channels_last>} : tensor<32x80x80x64xf16>, tensor<64x64x3x3xf16> -> tensor<32x40x40x64xf16>
  kernel.return %0 : tensor<32x40x40x64xf16>
}

// Few weights and many pixels: the weights stay, and a tile is a part of the image.
// CHECK-LABEL: kernel.func private @narrow
// CHECK-SAME:    resident = 1 : i64
kernel.func private @narrow(%x: tensor<32x160x160x16xf16>, %w: tensor<16x16x3x3xf16> {kernel.constant}) -> tensor<32x160x160x16xf16> {
  %0 = nn.conv %x, %w {strides = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>, dilations = array<i64: 1, 1>, layout = #nn.layout<channels_last>} : tensor<32x160x160x16xf16>, tensor<16x16x3x3xf16> -> tensor<32x160x160x16xf16>
  kernel.return %0 : tensor<32x160x160x16xf16>
}
