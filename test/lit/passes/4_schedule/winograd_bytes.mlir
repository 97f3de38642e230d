// RUN: tenon-opt %s --kernel-assign-schedules=target=x86-64-v3 | FileCheck %s
// RUN: tenon-opt %s --kernel-assign-schedules="target=x86-64-v3 exact-order" | FileCheck %s
// RUN: tenon-opt %s --kernel-assign-schedules=target=x86-64-v3 --kernel-pack-constants=target=x86-64-v3 | FileCheck %s --check-prefix=PACK
// RUN: tenon-opt %s --kernel-assign-schedules=target=icelake-server | FileCheck %s --check-prefix=DOT

// Where four bytes are multiplied at once, no transform is faster.
// DOT-NOT: winograd_bytes

// 255 * 9 * 64 * 20: sums below 2^25 are exact through F(4x4). It is no matter of rounding: --exact-order keeps it. The packed filter stays bytes,
// [panel][pair of depth][y][x][column][2]: the kernel transforms it.
// CHECK:       kernel.func private @small_sums
// CHECK-SAME:    kernel.largest_sum = 2937600 : i64
// CHECK-SAME:    schedule = #kernel.schedule<"winograd_bytes", {ku = 4 : i64, m = 4 : i64
// PACK:        kernel.func private @small_sums(%arg0: {{.*}}, %arg1: tensor<{{[0-9]+}}x32x3x3x{{[0-9]+}}x2xi8>
// PACK-NEXT:     kernel.unpack %arg1 {packing = #kernel.packing<padded = [64, 64, 3, 3], split = [{{[0-9]+, [0-9]+}}, 32, 2, 3, 3], perm = [0, 2, 4, 5, 1, 3]>} : tensor<{{.*}}xi8> -> tensor<64x64x3x3xi8>
kernel.func private @small_sums(%x: tensor<1x56x56x64xui8>, %w: tensor<64x64x3x3xi8>) -> tensor<1x56x56x64xi32> {
  %0 = nn.conv %x, %w {strides = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>, dilations = array<i64: 1, 1>, layout = #nn.layout<channels_last>} : tensor<1x56x56x64xui8>, tensor<64x64x3x3xi8> -> tensor<1x56x56x64xi32>
  kernel.return %0 : tensor<1x56x56x64xi32>
}

// 116 channels of -128 may sum up to 255 * 9 * 116 * 128 = 34076160, 2^25 is 33554432: what one of the two callers passes decides.
// CHECK:       kernel.func private @large_sums
// CHECK-SAME:    kernel.largest_sum = 34076160 : i64
// CHECK-SAME:    schedule =
// CHECK-NOT:     m = 4
// CHECK-SAME:    workspace_bytes
kernel.func private @large_sums(%x: tensor<1x56x56x116xui8>, %w: tensor<64x116x3x3xi8>) -> tensor<1x56x56x64xi32> {
  %0 = nn.conv %x, %w {strides = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>, dilations = array<i64: 1, 1>, layout = #nn.layout<channels_last>} : tensor<1x56x56x116xui8>, tensor<64x116x3x3xi8> -> tensor<1x56x56x64xi32>
  kernel.return %0 : tensor<1x56x56x64xi32>
}

// Stride 2: 6 x 6 points of the filter, which 81 products of even and odd inputs share.
// CHECK:       kernel.func private @strided
// CHECK-SAME:    schedule = #kernel.schedule<"winograd_bytes", {ku = 4 : i64, m = 4 : i64
// PACK:        kernel.func private @strided
// PACK-NEXT:     kernel.unpack %arg1 {packing = #kernel.packing<padded = [64, 64, 3, 3], split = [{{[0-9]+, [0-9]+}}, 32, 2, 3, 3], perm = [0, 2, 4, 5, 1, 3]>}
kernel.func private @strided(%x: tensor<1x56x56x64xui8>, %w: tensor<64x64x3x3xi8>) -> tensor<1x28x28x64xi32> {
  %0 = nn.conv %x, %w {strides = array<i64: 2, 2>, pads = array<i64: 1, 1, 1, 1>, dilations = array<i64: 1, 1>, layout = #nn.layout<channels_last>} : tensor<1x56x56x64xui8>, tensor<64x64x3x3xi8> -> tensor<1x28x28x64xi32>
  kernel.return %0 : tensor<1x28x28x64xi32>
}

// A filter that only the caller knows has no bound.
// CHECK:       kernel.func private @unknown
// CHECK-NOT:     winograd_bytes
// CHECK:       func.func @main
kernel.func private @unknown(%x: tensor<1x56x56x64xui8>, %w: tensor<32x64x3x3xi8>) -> tensor<1x56x56x32xi32> {
  %0 = nn.conv %x, %w {strides = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>, dilations = array<i64: 1, 1>, layout = #nn.layout<channels_last>} : tensor<1x56x56x64xui8>, tensor<32x64x3x3xi8> -> tensor<1x56x56x32xi32>
  kernel.return %0 : tensor<1x56x56x32xi32>
}

func.func @main(%a: tensor<1x56x56x64xui8>, %b: tensor<1x56x56x116xui8>, %f: tensor<32x64x3x3xi8>) -> (tensor<1x56x56x64xi32>, tensor<1x56x56x64xi32>, tensor<1x56x56x64xi32>, tensor<1x56x56x32xi32>, tensor<1x28x28x64xi32>) {
  %w = nn.constant dense<-20> : tensor<64x64x3x3xi8>
  %v = nn.constant dense<-128> : tensor<64x116x3x3xi8>
  %u = nn.constant dense<1> : tensor<64x116x3x3xi8>
  %0 = kernel.dispatch @small_sums(%a, %w) : (tensor<1x56x56x64xui8>, tensor<64x64x3x3xi8>) -> tensor<1x56x56x64xi32>
  %1 = kernel.dispatch @large_sums(%b, %u) : (tensor<1x56x56x116xui8>, tensor<64x116x3x3xi8>) -> tensor<1x56x56x64xi32>
  %2 = kernel.dispatch @large_sums(%b, %v) : (tensor<1x56x56x116xui8>, tensor<64x116x3x3xi8>) -> tensor<1x56x56x64xi32>
  %3 = kernel.dispatch @unknown(%a, %f) : (tensor<1x56x56x64xui8>, tensor<32x64x3x3xi8>) -> tensor<1x56x56x32xi32>
  %4 = kernel.dispatch @strided(%a, %w) : (tensor<1x56x56x64xui8>, tensor<64x64x3x3xi8>) -> tensor<1x28x28x64xi32>
  return %0, %1, %2, %3, %4 : tensor<1x56x56x64xi32>, tensor<1x56x56x64xi32>, tensor<1x56x56x64xi32>, tensor<1x56x56x32xi32>, tensor<1x28x28x64xi32>
}
