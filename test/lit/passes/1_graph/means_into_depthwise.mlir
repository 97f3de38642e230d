// RUN: tenon-opt %s --nn-means-into-depthwise | FileCheck %s

// The mean of what a depthwise convolution ends with becomes one of sums of rows, which its kernel gives; the result stays what others read.
// CHECK-LABEL: func.func @squeeze
// CHECK:         %[[X:.*]] = nn.silu
// CHECK:         %[[WIDE:.*]] = nn.cast %[[X]] {kernel.row_sums, to = f32}
// CHECK:         %[[ROWS:.*]] = nn.reduce %[[WIDE]] {axes = array<i64: 2>, keep_dims, kernel.row_sums, kind = #nn.reduce_kind<sum>} {{.*}} -> tensor<2x14x1x96xf32>
// CHECK:         %[[TOTAL:.*]] = nn.reduce %[[ROWS]] {axes = array<i64: 1>, keep_dims, kind = #nn.reduce_kind<sum>} {{.*}} -> tensor<2x1x1x96xf32>
// CHECK:         %[[MEAN:.*]] = nn.mul %[[TOTAL]], %{{.*}} : tensor<2x1x1x96xf32>
// CHECK:         %[[ROUNDED:.*]] = nn.cast %[[MEAN]] {to = f16}
// CHECK:         return %[[X]], %[[ROUNDED]]
func.func @squeeze(%x: tensor<2x14x14x96xf16>) -> (tensor<2x14x14x96xf16>, tensor<2x1x1x96xf16>) {
  %w = nn.constant dense_resource<w> : tensor<96x1x3x3xf16>
  %0 = nn.conv %x, %w {strides = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>, dilations = array<i64: 1, 1>, groups = 96 : i64, layout = #nn.layout<channels_last>} : tensor<2x14x14x96xf16>, tensor<96x1x3x3xf16> -> tensor<2x14x14x96xf16>
  %1 = nn.silu %0 : tensor<2x14x14x96xf16> -> tensor<2x14x14x96xf16>
  %2 = nn.reduce %1 {axes = array<i64: 1, 2>, keep_dims, kind = #nn.reduce_kind<mean>} : tensor<2x14x14x96xf16> -> tensor<2x1x1x96xf16>
  return %1, %2 : tensor<2x14x14x96xf16>, tensor<2x1x1x96xf16>
}

// Of f32 nothing is rounded.
// CHECK-LABEL: func.func @full
// CHECK:         %[[X:.*]] = nn.conv
// CHECK:         %[[ROWS:.*]] = nn.reduce %[[X]] {axes = array<i64: 2>, keep_dims, kernel.row_sums
// CHECK:         %[[TOTAL:.*]] = nn.reduce %[[ROWS]] {axes = array<i64: 1>
// CHECK:         %[[MEAN:.*]] = nn.mul %[[TOTAL]]
// CHECK:         return %[[X]], %[[MEAN]]
func.func @full(%x: tensor<1x14x14x96xf32>) -> (tensor<1x14x14x96xf32>, tensor<1x1x1x96xf32>) {
  %w = nn.constant dense_resource<w1> : tensor<96x1x3x3xf32>
  %0 = nn.conv %x, %w {strides = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>, dilations = array<i64: 1, 1>, groups = 96 : i64, layout = #nn.layout<channels_last>} : tensor<1x14x14x96xf32>, tensor<96x1x3x3xf32> -> tensor<1x14x14x96xf32>
  %1 = nn.reduce %0 {axes = array<i64: 1, 2>, keep_dims, kind = #nn.reduce_kind<mean>} : tensor<1x14x14x96xf32> -> tensor<1x1x1x96xf32>
  return %0, %1 : tensor<1x14x14x96xf32>, tensor<1x1x1x96xf32>
}

// Means of other convolutions, of channels that are no whole vectors, of rows longer than a block of threads, of a size that only a run knows, of decoded
// bytes, of one axis alone, and where something else reads what is before them, stay.
// CHECK-LABEL: func.func @stay
// CHECK-NOT:     kernel.row_sums
// CHECK-COUNT-6: kind = #nn.reduce_kind<mean>
// CHECK-NOT:     kernel.row_sums
func.func @stay(%x: tensor<1x4x4x12xf16>, %long: tensor<1x4x600x16xf16>, %free: tensor<1x4x?x16xf16, #nn.dims<[1, 4, w, 16]>>, %bytes: tensor<1x4x4x16xui8>, %y: tensor<1x4x4x16xf16>) -> (tensor<1x1x1x12xf16>, tensor<1x1x1x16xf16>, tensor<1x1x1x16xf16>, tensor<1x1x1x16xf32>, tensor<1x1x4x16xf16>, tensor<1x1x1x16xf16>, tensor<1x4x4x16xf16>) {
  %w12 = nn.constant dense_resource<w2> : tensor<12x1x1x1xf16>
  %w16 = nn.constant dense_resource<w3> : tensor<16x1x1x1xf16>
  %w32 = nn.constant dense_resource<w4> : tensor<16x1x1x1xf32>
  %0 = nn.conv %x, %w12 {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, groups = 12 : i64, layout = #nn.layout<channels_last>} : tensor<1x4x4x12xf16>, tensor<12x1x1x1xf16> -> tensor<1x4x4x12xf16>
  %1 = nn.reduce %0 {axes = array<i64: 1, 2>, keep_dims, kind = #nn.reduce_kind<mean>} : tensor<1x4x4x12xf16> -> tensor<1x1x1x12xf16>
  %2 = nn.conv %long, %w16 {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, groups = 16 : i64, layout = #nn.layout<channels_last>} : tensor<1x4x600x16xf16>, tensor<16x1x1x1xf16> -> tensor<1x4x600x16xf16>
  %3 = nn.reduce %2 {axes = array<i64: 1, 2>, keep_dims, kind = #nn.reduce_kind<mean>} : tensor<1x4x600x16xf16> -> tensor<1x1x1x16xf16>
  %4 = nn.conv %free, %w16 {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, groups = 16 : i64, layout = #nn.layout<channels_last>} : tensor<1x4x?x16xf16, #nn.dims<[1, 4, w, 16]>>, tensor<16x1x1x1xf16> -> tensor<1x4x?x16xf16, #nn.dims<[1, 4, w, 16]>>
  %5 = nn.reduce %4 {axes = array<i64: 1, 2>, keep_dims, kind = #nn.reduce_kind<mean>} : tensor<1x4x?x16xf16, #nn.dims<[1, 4, w, 16]>> -> tensor<1x1x1x16xf16>
  %6 = nn.cast %bytes {to = f32} : tensor<1x4x4x16xui8> -> tensor<1x4x4x16xf32>
  %7 = nn.conv %6, %w32 {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, groups = 16 : i64, layout = #nn.layout<channels_last>} : tensor<1x4x4x16xf32>, tensor<16x1x1x1xf32> -> tensor<1x4x4x16xf32>
  %8 = nn.reduce %7 {axes = array<i64: 1, 2>, keep_dims, kind = #nn.reduce_kind<mean>} : tensor<1x4x4x16xf32> -> tensor<1x1x1x16xf32>
  %9 = nn.conv %y, %w16 {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, groups = 16 : i64, layout = #nn.layout<channels_last>} : tensor<1x4x4x16xf16>, tensor<16x1x1x1xf16> -> tensor<1x4x4x16xf16>
  %10 = nn.reduce %9 {axes = array<i64: 1>, keep_dims, kind = #nn.reduce_kind<mean>} : tensor<1x4x4x16xf16> -> tensor<1x1x4x16xf16>
  %11 = nn.relu %9 : tensor<1x4x4x16xf16> -> tensor<1x4x4x16xf16>
  %12 = nn.reduce %11 {axes = array<i64: 1, 2>, keep_dims, kind = #nn.reduce_kind<mean>} : tensor<1x4x4x16xf16> -> tensor<1x1x1x16xf16>
  return %1, %3, %5, %8, %10, %12, %9 : tensor<1x1x1x12xf16>, tensor<1x1x1x16xf16>, tensor<1x1x1x16xf16>, tensor<1x1x1x16xf32>, tensor<1x1x4x16xf16>, tensor<1x1x1x16xf16>, tensor<1x4x4x16xf16>
}
