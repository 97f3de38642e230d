// RUN: tenon-opt %s --kernel-assign-schedules="target=sapphirerapids exact-order" | FileCheck %s

// Rows that do not stay in the second-level cache while all panels pass by are cut into blocks that do, and the cores share the blocks.
// CHECK:      kernel.func private @many_rows
// CHECK-SAME:   schedule = #kernel.schedule<"contraction", {a = "in_place", {{.*}}mt = 10 : i64, {{.*}}order = "ji", pf = 1 : i64, tm = 8 : i64, tn = 1 : i64}>
kernel.func private @many_rows(%x: tensor<1024x768xf32>, %w: tensor<768x3072xf32>) -> tensor<1024x3072xf32> {
  %0 = nn.matmul %x, %w : tensor<1024x768xf32>, tensor<768x3072xf32> -> tensor<1024x3072xf32>
  kernel.return %0 : tensor<1024x3072xf32>
}

// Few rows are not worth packing, however deep.
// CHECK:      kernel.func private @few_rows
// CHECK-SAME:   schedule = #kernel.schedule<"contraction", {a = "in_place",
kernel.func private @few_rows(%x: tensor<49x2048xf32>, %w: tensor<2048x512xf32>) -> tensor<49x512xf32> {
  %0 = nn.matmul %x, %w : tensor<49x2048xf32>, tensor<2048x512xf32> -> tensor<49x512xf32>
  kernel.return %0 : tensor<49x512xf32>
}

// Weights of a megabyte arrive cold: panel by panel, the next one prefetched. Small ones are read for every tile of rows.
// CHECK:      kernel.func private @cold_weights
// CHECK-SAME:   order = "ji", pf = 1 : i64
kernel.func private @cold_weights(%x: tensor<196x256xf32>, %w: tensor<256x1024xf32>) -> tensor<196x1024xf32> {
  %0 = nn.matmul %x, %w : tensor<196x256xf32>, tensor<256x1024xf32> -> tensor<196x1024xf32>
  kernel.return %0 : tensor<196x1024xf32>
}
// CHECK:      kernel.func private @small_weights
// CHECK-SAME:   order = "ij", pf = 0 : i64
kernel.func private @small_weights(%x: tensor<3136x64xf32>, %w: tensor<64x256xf32>) -> tensor<3136x256xf32> {
  %0 = nn.matmul %x, %w : tensor<3136x64xf32>, tensor<64x256xf32> -> tensor<3136x256xf32>
  kernel.return %0 : tensor<3136x256xf32>
}

// Of cold weights nothing hides the first panel, so that it is narrow where few rows follow, and shares of rows have two tiles at least. Images of a free
// batch are runs of rows, each by itself.
// CHECK:      kernel.func private @few_cold_rows
// CHECK-SAME:   schedule = #kernel.schedule<"contraction", {a = "in_place", ku = 4 : i64, mr = 14 : i64, mt = 2 : i64, nv = 2 : i64, order = "ji", pf = 1 : i64, tm = 4 : i64, tn = 1 : i64}>
kernel.func private @few_cold_rows(%x: tensor<?x14x8x960xf32, #nn.dims<[n, 14, 8, 960]>>, %w: tensor<160x960x1x1xf32>) -> tensor<?x14x8x160xf32, #nn.dims<[n, 14, 8, 160]>> {
  %0 = nn.conv %x, %w {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, layout = #nn.layout<channels_last>} : tensor<?x14x8x960xf32, #nn.dims<[n, 14, 8, 960]>>, tensor<160x960x1x1xf32> -> tensor<?x14x8x160xf32, #nn.dims<[n, 14, 8, 160]>>
  kernel.return %0 : tensor<?x14x8x160xf32, #nn.dims<[n, 14, 8, 160]>>
}

// The band of a first layer is still near when its rows are read.
// CHECK:      kernel.func private @stem
// CHECK-SAME:   schedule = #kernel.schedule<"contraction", {a = "band", bh = 4 : i64
kernel.func private @stem(%x: tensor<1x224x224x3xf32>, %w: tensor<32x3x3x3xf32>) -> tensor<1x112x112x32xf32> {
  %0 = nn.conv %x, %w {strides = array<i64: 2, 2>, pads = array<i64: 1, 1, 0, 0>, dilations = array<i64: 1, 1>, layout = #nn.layout<channels_last>} : tensor<1x224x224x3xf32>, tensor<32x3x3x3xf32> -> tensor<1x112x112x32xf32>
  kernel.return %0 : tensor<1x112x112x32xf32>
}

func.func @main(%a: tensor<1024x768xf32>, %b: tensor<49x2048xf32>, %c: tensor<196x256xf32>, %d: tensor<3136x64xf32>, %e: tensor<1x224x224x3xf32>, %f: tensor<?x14x8x960xf32, #nn.dims<[n, 14, 8, 960]>>) -> (tensor<1024x3072xf32>, tensor<49x512xf32>, tensor<196x1024xf32>, tensor<3136x256xf32>, tensor<1x112x112x32xf32>, tensor<?x14x8x160xf32, #nn.dims<[n, 14, 8, 160]>>) {
  %0 = nn.constant dense<0.5> : tensor<768x3072xf32>
  %1 = nn.constant dense<0.5> : tensor<2048x512xf32>
  %2 = nn.constant dense<0.5> : tensor<256x1024xf32>
  %3 = nn.constant dense<0.5> : tensor<64x256xf32>
  %4 = nn.constant dense<0.5> : tensor<32x3x3x3xf32>
  %5 = kernel.dispatch @many_rows(%a, %0) : (tensor<1024x768xf32>, tensor<768x3072xf32>) -> tensor<1024x3072xf32>
  %6 = kernel.dispatch @few_rows(%b, %1) : (tensor<49x2048xf32>, tensor<2048x512xf32>) -> tensor<49x512xf32>
  %7 = kernel.dispatch @cold_weights(%c, %2) : (tensor<196x256xf32>, tensor<256x1024xf32>) -> tensor<196x1024xf32>
  %8 = kernel.dispatch @small_weights(%d, %3) : (tensor<3136x64xf32>, tensor<64x256xf32>) -> tensor<3136x256xf32>
  %9 = kernel.dispatch @stem(%e, %4) : (tensor<1x224x224x3xf32>, tensor<32x3x3x3xf32>) -> tensor<1x112x112x32xf32>
  %10 = nn.constant dense<0.5> : tensor<160x960x1x1xf32>
  %11 = kernel.dispatch @few_cold_rows(%f, %10) : (tensor<?x14x8x960xf32, #nn.dims<[n, 14, 8, 960]>>, tensor<160x960x1x1xf32>) -> tensor<?x14x8x160xf32, #nn.dims<[n, 14, 8, 160]>>
  return %5, %6, %7, %8, %9, %11 : tensor<1024x3072xf32>, tensor<49x512xf32>, tensor<196x1024xf32>, tensor<3136x256xf32>, tensor<1x112x112x32xf32>, tensor<?x14x8x160xf32, #nn.dims<[n, 14, 8, 160]>>
}
