// RUN: tenon-opt %s --nn-join-added-convs | FileCheck %s

// A block's last convolution and the one of its shortcut, which strides: the slice is read in place, weights and biases are constants again.
// CHECK-LABEL: func.func @shortcut
// CHECK-DAG:     %[[S:.*]] = nn.slice %arg1 {{.*}}steps = array<i64: 1, 2, 2, 1>{{.*}} -> tensor<1x4x4x32xf16>
// CHECK:         %[[X:.*]] = nn.concat %arg0, %[[S]] {axis = 3 : i64, kernel.shared_depth} : {{.*}} -> tensor<1x4x4x48xf16>
// CHECK-DAG:     %[[W:.*]] = nn.concat %{{.*}}, %{{.*}} {axis = 1 : i64} : tensor<64x16x1x1xf16>, tensor<64x32x1x1xf16> -> tensor<64x48x1x1xf16>
// CHECK-DAG:     %[[B:.*]] = nn.add %{{.*}} : tensor<64xf16>
// CHECK:         %[[Y:.*]] = nn.conv %[[X]], %[[W]] bias %[[B]] {{.*}}strides = array<i64: 1, 1>
// CHECK-NEXT:    nn.relu %[[Y]]
func.func @shortcut(%x: tensor<1x4x4x16xf16>, %y: tensor<1x8x8x32xf16>) -> tensor<1x4x4x64xf16> {
  %w = nn.constant dense_resource<w> : tensor<64x16x1x1xf16>
  %v = nn.constant dense_resource<v> : tensor<64x32x1x1xf16>
  %b = nn.constant dense_resource<b> : tensor<64xf16>
  %c = nn.constant dense_resource<c> : tensor<64xf16>
  %0 = nn.conv %x, %w bias %b {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, layout = #nn.layout<channels_last>} : tensor<1x4x4x16xf16>, tensor<64x16x1x1xf16>, tensor<64xf16> -> tensor<1x4x4x64xf16>
  %1 = nn.conv %y, %v bias %c {strides = array<i64: 2, 2>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, layout = #nn.layout<channels_last>} : tensor<1x8x8x32xf16>, tensor<64x32x1x1xf16>, tensor<64xf16> -> tensor<1x4x4x64xf16>
  %2 = nn.add %0, %1 : tensor<1x4x4x64xf16>, tensor<1x4x4x64xf16> -> tensor<1x4x4x64xf16>
  %3 = nn.relu %2 : tensor<1x4x4x64xf16> -> tensor<1x4x4x64xf16>
  return %3 : tensor<1x4x4x64xf16>
}

// A convolution of more taps, one that something else reads, and f32 stay.
// CHECK-LABEL: func.func @stay
// CHECK-NOT:     nn.concat
// CHECK-COUNT-3: nn.add
func.func @stay(%x: tensor<1x4x4x16xf16>, %z: tensor<1x4x4x16xf32>) -> (tensor<1x4x4x16xf16>, tensor<1x4x4x16xf16>, tensor<1x4x4x16xf16>, tensor<1x4x4x16xf32>) {
  %w = nn.constant dense_resource<w1> : tensor<16x16x1x1xf16>
  %v = nn.constant dense_resource<w3> : tensor<16x16x3x3xf16>
  %f = nn.constant dense_resource<wf> : tensor<16x16x1x1xf32>
  %0 = nn.conv %x, %w {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, layout = #nn.layout<channels_last>} : tensor<1x4x4x16xf16>, tensor<16x16x1x1xf16> -> tensor<1x4x4x16xf16>
  %1 = nn.conv %x, %v {strides = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>, dilations = array<i64: 1, 1>, layout = #nn.layout<channels_last>} : tensor<1x4x4x16xf16>, tensor<16x16x3x3xf16> -> tensor<1x4x4x16xf16>
  %2 = nn.add %0, %1 : tensor<1x4x4x16xf16>, tensor<1x4x4x16xf16> -> tensor<1x4x4x16xf16>
  %3 = nn.conv %2, %w {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, layout = #nn.layout<channels_last>} : tensor<1x4x4x16xf16>, tensor<16x16x1x1xf16> -> tensor<1x4x4x16xf16>
  %4 = nn.conv %x, %w {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, layout = #nn.layout<channels_last>} : tensor<1x4x4x16xf16>, tensor<16x16x1x1xf16> -> tensor<1x4x4x16xf16>
  %5 = nn.add %3, %4 : tensor<1x4x4x16xf16>, tensor<1x4x4x16xf16> -> tensor<1x4x4x16xf16>
  %6 = nn.conv %z, %f {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, layout = #nn.layout<channels_last>} : tensor<1x4x4x16xf32>, tensor<16x16x1x1xf32> -> tensor<1x4x4x16xf32>
  %7 = nn.conv %z, %f {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, layout = #nn.layout<channels_last>} : tensor<1x4x4x16xf32>, tensor<16x16x1x1xf32> -> tensor<1x4x4x16xf32>
  %8 = nn.add %6, %7 : tensor<1x4x4x16xf32>, tensor<1x4x4x16xf32> -> tensor<1x4x4x16xf32>
  return %2, %5, %4, %8 : tensor<1x4x4x16xf16>, tensor<1x4x4x16xf16>, tensor<1x4x4x16xf16>, tensor<1x4x4x16xf32>
}
