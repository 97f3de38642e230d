// RUN: tenon-opt %s --nn-upsample-into-products | FileCheck %s

// A pyramid's convolution over a small image made twice as large and the image of that size beside it: the rows of the product are numbered so that those which repeat
// stand beside each other. What follows element by element comes before the image is whole again.
// CHECK-LABEL: func.func @pyramid
// CHECK-DAG:     %[[S:.*]] = nn.reshape %arg0 {dims = #nn.dims<[2, 4, 1, 5, 1, 16]>}
// CHECK-DAG:     %[[X:.*]] = nn.expand %[[S]] {dims = #nn.dims<[2, 4, 2, 5, 2, 16]>}
// CHECK-DAG:     %[[Y:.*]] = nn.reshape %arg1 {dims = #nn.dims<[2, 4, 2, 5, 2, 8]>}
// CHECK:         %[[BOTH:.*]] = nn.concat %[[X]], %[[Y]] {axis = 5 : i64, kernel.shared_depth} : {{.*}} -> tensor<2x4x2x5x2x24xf16>
// CHECK:         %[[W:.*]] = nn.reshape %{{.*}} {dims = #nn.dims<[32, 24]>}
// CHECK:         %[[P:.*]] = nn.matmul %[[BOTH]], %[[W]] bias %{{.*}} {transpose_rhs} : {{.*}} -> tensor<2x4x2x5x2x32xf16>
// CHECK-NEXT:    %[[A:.*]] = nn.silu %[[P]]
// CHECK-NEXT:    %[[R:.*]] = nn.reshape %[[A]] {dims = #nn.dims<[2, 8, 10, 32]>}
// CHECK-NEXT:    return %[[R]]
func.func @pyramid(%x: tensor<2x4x5x16xf16>, %y: tensor<2x8x10x8xf16>) -> tensor<2x8x10x32xf16> {
  %w = nn.constant dense_resource<w> : tensor<32x24x1x1xf16>
  %b = nn.constant dense_resource<b> : tensor<32xf16>
  %0 = nn.resize %x {sizes = #nn.dims<[2, 8, 10, 16]>, scales = array<f64: 1.0, 2.0, 2.0, 1.0>, coordinates = #nn.coordinate_mode<asymmetric>, nearest = #nn.nearest_mode<floor>, layout = #nn.layout<channels_last>} : tensor<2x4x5x16xf16> -> tensor<2x8x10x16xf16>
  %1 = nn.concat %0, %y {axis = 3 : i64} : tensor<2x8x10x16xf16>, tensor<2x8x10x8xf16> -> tensor<2x8x10x24xf16>
  %2 = nn.conv %1, %w bias %b {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, layout = #nn.layout<channels_last>} : tensor<2x8x10x24xf16>, tensor<32x24x1x1xf16>, tensor<32xf16> -> tensor<2x8x10x32xf16>
  %3 = nn.silu %2 : tensor<2x8x10x32xf16> -> tensor<2x8x10x32xf16>
  return %3 : tensor<2x8x10x32xf16>
}

// The large image stays where something else reads it, or where pixels are taken otherwise than by rounding down.
// CHECK-LABEL: func.func @stay
// CHECK-COUNT-2: nn.resize
// CHECK-NOT:     nn.matmul
func.func @stay(%x: tensor<2x4x5x16xf16>, %y: tensor<2x8x10x8xf16>) -> (tensor<2x8x10x32xf16>, tensor<2x8x10x16xf16>, tensor<2x8x10x32xf16>) {
  %w = nn.constant dense_resource<v> : tensor<32x24x1x1xf16>
  %0 = nn.resize %x {sizes = #nn.dims<[2, 8, 10, 16]>, scales = array<f64: 1.0, 2.0, 2.0, 1.0>, coordinates = #nn.coordinate_mode<asymmetric>, nearest = #nn.nearest_mode<floor>, layout = #nn.layout<channels_last>} : tensor<2x4x5x16xf16> -> tensor<2x8x10x16xf16>
  %1 = nn.concat %0, %y {axis = 3 : i64} : tensor<2x8x10x16xf16>, tensor<2x8x10x8xf16> -> tensor<2x8x10x24xf16>
  %2 = nn.conv %1, %w {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, layout = #nn.layout<channels_last>} : tensor<2x8x10x24xf16>, tensor<32x24x1x1xf16> -> tensor<2x8x10x32xf16>
  %3 = nn.resize %x {sizes = #nn.dims<[2, 8, 10, 16]>, scales = array<f64: 1.0, 2.0, 2.0, 1.0>, coordinates = #nn.coordinate_mode<asymmetric>, nearest = #nn.nearest_mode<ceil>, layout = #nn.layout<channels_last>} : tensor<2x4x5x16xf16> -> tensor<2x8x10x16xf16>
  %4 = nn.concat %3, %y {axis = 3 : i64} : tensor<2x8x10x16xf16>, tensor<2x8x10x8xf16> -> tensor<2x8x10x24xf16>
  %5 = nn.conv %4, %w {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, layout = #nn.layout<channels_last>} : tensor<2x8x10x24xf16>, tensor<32x24x1x1xf16> -> tensor<2x8x10x32xf16>
  return %2, %0, %5 : tensor<2x8x10x32xf16>, tensor<2x8x10x16xf16>, tensor<2x8x10x32xf16>
}
