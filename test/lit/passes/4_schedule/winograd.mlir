// RUN: tenon-opt %s --kernel-assign-schedules=target=x86-64-v3 | FileCheck %s
// RUN: tenon-opt %s --kernel-assign-schedules=target=x86-64-v3 --kernel-pack-constants=target=x86-64-v3 | FileCheck %s --check-prefix=PACK
// RUN: tenon-opt %s --kernel-assign-schedules="target=x86-64-v3 exact-order" | FileCheck %s --check-prefix=EXACT

// EXACT-NOT: winograd

// F(4x4) where its rounding errors are small enough: tiles of 6 x 6 points, packed as [column block][y][x][panel][depth][column].
// CHECK:       kernel.func private @small_errors
// CHECK-SAME:    kernel.winograd_errors = array<f64:
// CHECK-SAME:    schedule = #kernel.schedule<"winograd", {ku = 4 : i64, m = 4 : i64
// PACK:        kernel.func private @small_errors
// PACK-NEXT:     kernel.unpack %arg1 {packing = #kernel.packing<padded = [64, 64, 6, 6], split = [{{[0-9]+, [0-9]+, [0-9]+}}, 64, 6, 6], perm = [0, 4, 5, 1, 3, 2], winograd = 4>}
kernel.func private @small_errors(%x: tensor<1x56x56x64xf32>, %w: tensor<64x64x3x3xf32>) -> tensor<1x56x56x64xf32> {
  %0 = nn.conv %x, %w {strides = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>, dilations = array<i64: 1, 1>, layout = #nn.layout<channels_last>} : tensor<1x56x56x64xf32>, tensor<64x64x3x3xf32> -> tensor<1x56x56x64xf32>
  kernel.return %0 : tensor<1x56x56x64xf32>
}

// Sums over 3072 channels of nine equal taps: F(4x4) could err by 1.05e-4 of the outputs' range, F(2x2) by 6.3e-6.
// CHECK:       kernel.func private @large_errors
// CHECK-SAME:    kernel.winograd_errors = array<f64: 6.3{{[0-9]*E-0?6}}, 1.04{{[0-9]*E-0?4}}>
// CHECK-SAME:    schedule = #kernel.schedule<"winograd", {ku = 4 : i64, m = 2 : i64
// PACK:        kernel.func private @large_errors
// PACK-NEXT:     kernel.unpack %arg1 {packing = #kernel.packing<padded = [64, 3072, 4, 4], {{.*}}, winograd = 2>}
kernel.func private @large_errors(%x: tensor<1x28x28x3072xf32>, %w: tensor<64x3072x3x3xf32>) -> tensor<1x28x28x64xf32> {
  %0 = nn.conv %x, %w {strides = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>, dilations = array<i64: 1, 1>, layout = #nn.layout<channels_last>} : tensor<1x28x28x3072xf32>, tensor<64x3072x3x3xf32> -> tensor<1x28x28x64xf32>
  kernel.return %0 : tensor<1x28x28x64xf32>
}

// A filter that is not finite has no bound; one that only the caller knows neither. Both are computed as the model says.
// CHECK:       kernel.func private @infinite
// CHECK-SAME:    schedule = #kernel.schedule<"contraction"
kernel.func private @infinite(%x: tensor<1x28x28x64xf32>, %w: tensor<64x64x3x3xf32>) -> tensor<1x28x28x64xf32> {
  %0 = nn.conv %x, %w {strides = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>, dilations = array<i64: 1, 1>, layout = #nn.layout<channels_last>} : tensor<1x28x28x64xf32>, tensor<64x64x3x3xf32> -> tensor<1x28x28x64xf32>
  kernel.return %0 : tensor<1x28x28x64xf32>
}
// CHECK:       kernel.func private @unknown
// CHECK-NOT:     winograd
// CHECK-SAME:    schedule = #kernel.schedule<"contraction"
kernel.func private @unknown(%x: tensor<1x56x56x64xf32>, %w: tensor<32x64x3x3xf32>) -> tensor<1x56x56x32xf32> {
  %0 = nn.conv %x, %w {strides = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>, dilations = array<i64: 1, 1>, layout = #nn.layout<channels_last>} : tensor<1x56x56x64xf32>, tensor<32x64x3x3xf32> -> tensor<1x56x56x32xf32>
  kernel.return %0 : tensor<1x56x56x32xf32>
}

// PACK-LABEL: func.func @main
// The transform is spelt as a product with the Kronecker square of G.
// PACK:         nn.matmul %{{.*}} : tensor<4096x9xf32>, tensor<9x36xf32> -> tensor<4096x36xf32>
// PACK:         nn.matmul %{{.*}} : tensor<196608x9xf32>, tensor<9x16xf32> -> tensor<196608x16xf32>
func.func @main(%a: tensor<1x56x56x64xf32>, %b: tensor<1x28x28x3072xf32>, %c: tensor<1x28x28x64xf32>, %f: tensor<32x64x3x3xf32>) -> (tensor<1x56x56x64xf32>, tensor<1x28x28x64xf32>, tensor<1x28x28x64xf32>, tensor<1x56x56x32xf32>) {
  %w = nn.constant dense<0.5> : tensor<64x64x3x3xf32>
  %v = nn.constant dense<0.5> : tensor<64x3072x3x3xf32>
  %inf = nn.constant dense<0x7F800000> : tensor<64x64x3x3xf32>
  %0 = kernel.dispatch @small_errors(%a, %w) : (tensor<1x56x56x64xf32>, tensor<64x64x3x3xf32>) -> tensor<1x56x56x64xf32>
  %1 = kernel.dispatch @large_errors(%b, %v) : (tensor<1x28x28x3072xf32>, tensor<64x3072x3x3xf32>) -> tensor<1x28x28x64xf32>
  %2 = kernel.dispatch @infinite(%c, %inf) : (tensor<1x28x28x64xf32>, tensor<64x64x3x3xf32>) -> tensor<1x28x28x64xf32>
  %3 = kernel.dispatch @unknown(%a, %f) : (tensor<1x56x56x64xf32>, tensor<32x64x3x3xf32>) -> tensor<1x56x56x32xf32>
  return %0, %1, %2, %3 : tensor<1x56x56x64xf32>, tensor<1x28x28x64xf32>, tensor<1x28x28x64xf32>, tensor<1x56x56x32xf32>
}

// 512 columns are 22 panels of 24: 3 blocks of 8 panels, which two panels of zeros fill.
// PACK:        kernel.func private @many_columns
// PACK-NEXT:     kernel.unpack %arg1 {packing = #kernel.packing<padded = [576, 512, 6, 6], split = [3, 8, 24, 512, 6, 6]
kernel.func private @many_columns(%x: tensor<1x24x24x512xf32>, %w: tensor<512x512x3x3xf32>) -> tensor<1x24x24x512xf32> {
  %0 = nn.conv %x, %w {strides = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>, dilations = array<i64: 1, 1>, layout = #nn.layout<channels_last>} : tensor<1x24x24x512xf32>, tensor<512x512x3x3xf32> -> tensor<1x24x24x512xf32>
  kernel.return %0 : tensor<1x24x24x512xf32>
}
func.func @wide(%x: tensor<1x24x24x512xf32>) -> tensor<1x24x24x512xf32> {
  %w = nn.constant dense<0.5> : tensor<512x512x3x3xf32>
  %0 = kernel.dispatch @many_columns(%x, %w) : (tensor<1x24x24x512xf32>, tensor<512x512x3x3xf32>) -> tensor<1x24x24x512xf32>
  return %0 : tensor<1x24x24x512xf32>
}
