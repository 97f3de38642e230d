// RUN: tenon-opt %s --nn-merge-convs | FileCheck %s

// Two branches begin with a convolution of one form: one convolution, whose parts the branches read in place.
// CHECK-LABEL: func.func @branches
// CHECK:         %[[W:.*]] = nn.concat {{.*}} : tensor<16x16x3x3xf32>, tensor<24x16x3x3xf32> -> tensor<40x16x3x3xf32>
// CHECK:         %[[C:.*]] = nn.conv %arg0, %[[W]]
// CHECK:         %[[R:.*]] = nn.relu %[[C]] : tensor<1x8x8x40xf32> -> tensor<1x8x8x40xf32>
// CHECK:         %[[A:.*]] = nn.slice %[[R]] {{.*}} -> tensor<1x8x8x16xf32>
// CHECK:         %[[B:.*]] = nn.slice %[[R]] {{.*}}24{{.*}} -> tensor<1x8x8x24xf32>
// CHECK:         nn.conv %[[A]]
// CHECK:         nn.conv %[[B]]
func.func @branches(%x: tensor<1x8x8x16xf32>) -> (tensor<1x8x8x8xf32>, tensor<1x8x8x8xf32>) {
  %w0 = nn.constant dense<1.0> : tensor<16x16x3x3xf32>
  %w1 = nn.constant dense<2.0> : tensor<24x16x3x3xf32>
  %w2 = nn.constant dense<3.0> : tensor<8x16x1x1xf32>
  %w3 = nn.constant dense<4.0> : tensor<8x24x1x1xf32>
  %0 = nn.conv %x, %w0 {strides = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>, dilations = array<i64: 1, 1>, layout = #nn.layout<channels_last>} : tensor<1x8x8x16xf32>, tensor<16x16x3x3xf32> -> tensor<1x8x8x16xf32>
  %1 = nn.conv %x, %w1 {strides = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>, dilations = array<i64: 1, 1>, layout = #nn.layout<channels_last>} : tensor<1x8x8x16xf32>, tensor<24x16x3x3xf32> -> tensor<1x8x8x24xf32>
  %2 = nn.relu %0 : tensor<1x8x8x16xf32> -> tensor<1x8x8x16xf32>
  %3 = nn.relu %1 : tensor<1x8x8x24xf32> -> tensor<1x8x8x24xf32>
  %4 = nn.conv %2, %w2 {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, layout = #nn.layout<channels_last>} : tensor<1x8x8x16xf32>, tensor<8x16x1x1xf32> -> tensor<1x8x8x8xf32>
  %5 = nn.conv %3, %w3 {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, layout = #nn.layout<channels_last>} : tensor<1x8x8x24xf32>, tensor<8x24x1x1xf32> -> tensor<1x8x8x8xf32>
  return %4, %5 : tensor<1x8x8x8xf32>, tensor<1x8x8x8xf32>
}

// A sum would read its slice through a copy or element by element: the convolutions stay as they are.
// CHECK-LABEL: func.func @sum
// CHECK-NOT:     nn.concat
// CHECK:         return
func.func @sum(%x: tensor<1x8x8x16xf32>) -> tensor<1x8x8x16xf32> {
  %w0 = nn.constant dense<1.0> : tensor<16x16x3x3xf32>
  %w1 = nn.constant dense<2.0> : tensor<16x16x3x3xf32>
  %0 = nn.conv %x, %w0 {strides = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>, dilations = array<i64: 1, 1>, layout = #nn.layout<channels_last>} : tensor<1x8x8x16xf32>, tensor<16x16x3x3xf32> -> tensor<1x8x8x16xf32>
  %1 = nn.conv %x, %w1 {strides = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>, dilations = array<i64: 1, 1>, layout = #nn.layout<channels_last>} : tensor<1x8x8x16xf32>, tensor<16x16x3x3xf32> -> tensor<1x8x8x16xf32>
  %2 = nn.relu %0 : tensor<1x8x8x16xf32> -> tensor<1x8x8x16xf32>
  %3 = nn.relu %1 : tensor<1x8x8x16xf32> -> tensor<1x8x8x16xf32>
  %4 = nn.add %2, %3 : tensor<1x8x8x16xf32>, tensor<1x8x8x16xf32> -> tensor<1x8x8x16xf32>
  return %4 : tensor<1x8x8x16xf32>
}
