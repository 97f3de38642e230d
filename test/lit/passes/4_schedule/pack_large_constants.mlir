// RUN: tenon-opt %s --kernel-assign-schedules=target=x86-64-v3 --kernel-pack-constants=target=x86-64-v3 | FileCheck %s

// Large constants are packed in parts, one behind the other: a part that needs padding, or is transformed, is a small copy.

// 10001 columns are whole panels and the rest, which alone is padded.
kernel.func private @padded(%x: tensor<1x500xf32>, %w: tensor<500x10001xf32>) -> tensor<1x10001xf32> {
  %0 = nn.matmul %x, %w : tensor<1x500xf32>, tensor<500x10001xf32> -> tensor<1x10001xf32>
  kernel.return %0 : tensor<1x10001xf32>
}
// CHECK-LABEL: func.func @by_columns
// CHECK:         %[[MAIN:.*]] = nn.slice %[[W:.*]] {sizes = #nn.dims<[500, [[WHOLE:[0-9]+]]]>, starts = #nn.dims<[0, 0]>
// CHECK-NOT:     nn.pad
// CHECK:         nn.transpose {{.*}} -> tensor<1x[[PANELS:[0-9]+]]x500x[[WIDTH:[0-9]+]]xf32>
// CHECK:         %[[REST:.*]] = nn.slice %[[W]] {{.*}}starts = #nn.dims<[0, [[WHOLE]]]>
// CHECK:         nn.pad %[[REST]] {{.*}} -> tensor<500x[[WIDTH]]xf32>
// CHECK:         nn.transpose {{.*}} -> tensor<1x1x500x[[WIDTH]]xf32>
// CHECK:         nn.concat {{.*}} {axis = 1 : i64} : tensor<1x[[PANELS]]x500x[[WIDTH]]xf32>, tensor<1x1x500x[[WIDTH]]xf32>
func.func @by_columns(%x: tensor<1x500xf32>) -> tensor<1x10001xf32> {
  %w = nn.constant dense<0.5> : tensor<500x10001xf32>
  %0 = kernel.dispatch @padded(%x, %w) : (tensor<1x500xf32>, tensor<500x10001xf32>) -> tensor<1x10001xf32>
  return %0 : tensor<1x10001xf32>
}

// Panels in blocks of the depth: each part is a block, and padded.
kernel.func private @blocks(%x: tensor<32x512xf32>, %w: tensor<512x10001xf32>) -> tensor<32x10001xf32> {
  %0 = nn.matmul %x, %w : tensor<32x512xf32>, tensor<512x10001xf32> -> tensor<32x10001xf32>
  kernel.return %0 : tensor<32x10001xf32>
}
// CHECK-LABEL: func.func @by_blocks
// CHECK:         nn.slice {{.*}} {sizes = #nn.dims<[256, 10001]>, starts = #nn.dims<[0, 0]>
// CHECK:         nn.pad
// CHECK:         nn.slice {{.*}} {sizes = #nn.dims<[256, 10001]>, starts = #nn.dims<[256, 0]>
// CHECK:         nn.pad
// CHECK:         nn.concat {{.*}} {axis = 0 : i64}
func.func @by_blocks(%x: tensor<32x512xf32>) -> tensor<32x10001xf32> {
  %w = nn.constant dense<0.5> : tensor<512x10001xf32>
  %0 = kernel.dispatch @blocks(%x, %w) : (tensor<32x512xf32>, tensor<512x10001xf32>) -> tensor<32x10001xf32>
  return %0 : tensor<32x10001xf32>
}

// One block of columns: the transformed filters are parts by rows of G.
kernel.func private @by_rows(%x: tensor<1x28x28x2048xf32>, %w: tensor<64x2048x3x3xf32>) -> tensor<1x28x28x64xf32> {
  %0 = nn.conv %x, %w {strides = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>, dilations = array<i64: 1, 1>, layout = #nn.layout<channels_last>} : tensor<1x28x28x2048xf32>, tensor<64x2048x3x3xf32> -> tensor<1x28x28x64xf32>
  kernel.return %0 : tensor<1x28x28x64xf32>
}
// CHECK-LABEL: func.func @filters
// CHECK:         nn.matmul {{.*}} : tensor<131072x9xf32>, tensor<9x[[POINTS:[0-9]+]]xf32> ->
// CHECK:         nn.matmul {{.*}} : tensor<131072x9xf32>, tensor<9x[[POINTS]]xf32> ->
// CHECK:         nn.concat {{.*}} {axis = 1 : i64}
func.func @filters(%x: tensor<1x28x28x2048xf32>) -> tensor<1x28x28x64xf32> {
  %w = nn.constant dense<0.001> : tensor<64x2048x3x3xf32>
  %0 = kernel.dispatch @by_rows(%x, %w) : (tensor<1x28x28x2048xf32>, tensor<64x2048x3x3xf32>) -> tensor<1x28x28x64xf32>
  return %0 : tensor<1x28x28x64xf32>
}
