// RUN: tenon-opt %s --nn-join-groups | FileCheck %s

// Eight groups of eight channels, in pairs: the first of a pair has zeros behind its channels, the second before them.
// CHECK-LABEL: func.func @narrow
// CHECK:         %[[W:.*]] = nn.reshape %{{.*}} {dims = #nn.dims<[4, 2, 8, 8, 9]>}
// CHECK:         %[[A:.*]] = nn.slice %[[W]] {sizes = #nn.dims<[4, 1, 8, 8, 9]>, starts = #nn.dims<[0, 0, 0, 0, 0]>
// CHECK:         %[[FIRST:.*]] = nn.pad %[[A]] {high = #nn.dims<[0, 0, 0, 8, 0]>, low = #nn.dims<[0, 0, 0, 0, 0]>
// CHECK:         %[[B:.*]] = nn.slice %[[W]] {sizes = #nn.dims<[4, 1, 8, 8, 9]>, starts = #nn.dims<[0, 1, 0, 0, 0]>
// CHECK:         %[[SECOND:.*]] = nn.pad %[[B]] {high = #nn.dims<[0, 0, 0, 0, 0]>, low = #nn.dims<[0, 0, 0, 8, 0]>
// CHECK:         %[[BOTH:.*]] = nn.concat %[[FIRST]], %[[SECOND]] {axis = 1 : i64}
// CHECK:         %[[V:.*]] = nn.reshape %[[BOTH]] {dims = #nn.dims<[64, 16, 3, 3]>}
// CHECK:         nn.conv %arg0, %[[V]] {{.*}}groups = 4
func.func @narrow(%x: tensor<1x14x14x64xf16>) -> tensor<1x14x14x64xf16> {
  %w = nn.constant dense_resource<w> : tensor<64x8x3x3xf16>
  %0 = nn.conv %x, %w {strides = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>, dilations = array<i64: 1, 1>, groups = 8 : i64, layout = #nn.layout<channels_last>} : tensor<1x14x14x64xf16>, tensor<64x8x3x3xf16> -> tensor<1x14x14x64xf16>
  return %0 : tensor<1x14x14x64xf16>
}

// Wide enough; channels of their own; three groups of 24 channels, which no number of joined ones makes a multiple of 16.
// CHECK-LABEL: func.func @kept
// CHECK-NOT:     nn.pad
// CHECK:         groups = 4
// CHECK:         groups = 64
// CHECK:         groups = 3
func.func @kept(%x: tensor<1x14x14x64xf16>, %y: tensor<1x14x14x72xf16>) -> (tensor<1x14x14x64xf16>, tensor<1x14x14x72xf16>) {
  %w = nn.constant dense_resource<v> : tensor<64x16x3x3xf16>
  %u = nn.constant dense_resource<u> : tensor<64x1x3x3xf16>
  %t = nn.constant dense_resource<t> : tensor<72x24x3x3xf16>
  %0 = nn.conv %x, %w {strides = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>, dilations = array<i64: 1, 1>, groups = 4 : i64, layout = #nn.layout<channels_last>} : tensor<1x14x14x64xf16>, tensor<64x16x3x3xf16> -> tensor<1x14x14x64xf16>
  %1 = nn.conv %0, %u {strides = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>, dilations = array<i64: 1, 1>, groups = 64 : i64, layout = #nn.layout<channels_last>} : tensor<1x14x14x64xf16>, tensor<64x1x3x3xf16> -> tensor<1x14x14x64xf16>
  %2 = nn.conv %y, %t {strides = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>, dilations = array<i64: 1, 1>, groups = 3 : i64, layout = #nn.layout<channels_last>} : tensor<1x14x14x72xf16>, tensor<72x24x3x3xf16> -> tensor<1x14x14x72xf16>
  return %1, %2 : tensor<1x14x14x64xf16>, tensor<1x14x14x72xf16>
}
