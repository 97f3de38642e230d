// RUN: tenon-opt %s --nn-split-reductions --split-input-file | FileCheck %s

// 16.7 million elements: 1,024 parts of 16,384, which keep f32 between them.
// CHECK-LABEL: func.func @mean
// CHECK:         %[[X:.*]] = nn.reshape %{{.*}} : tensor<1x64x512x512xf16> -> tensor<1x1024x16384xf16>
// CHECK:         %[[W:.*]] = nn.cast %[[X]] {to = f32}
// CHECK:         %[[P:.*]] = nn.reduce %[[W]] {axes = array<i64: 2>, kind = #nn.reduce_kind<mean>} : tensor<1x1024x16384xf32> -> tensor<1x1024xf32>
// CHECK:         %[[Y:.*]] = nn.reduce %[[P]] {axes = array<i64: 1>, kind = #nn.reduce_kind<mean>} : tensor<1x1024xf32> -> tensor<1xf32>
// CHECK:         %[[H:.*]] = nn.cast %[[Y]] {to = f16}
// CHECK:         nn.reshape %[[H]] {{.*}} : tensor<1xf16> -> tensor<1x1x1x1xf16>
func.func @mean(%x: tensor<1x64x512x512xf16>) -> tensor<1x1x1x1xf16> {
  %0 = nn.reduce %x {kind = #nn.reduce_kind<mean>, axes = array<i64: 0, 1, 2, 3>, keep_dims} : tensor<1x64x512x512xf16> -> tensor<1x1x1x1xf16>
  return %0 : tensor<1x1x1x1xf16>
}

// -----

// Squares are made once.
// CHECK-LABEL: func.func @squares
// CHECK:         nn.reduce {{.*}} {axes = array<i64: 2>, kind = #nn.reduce_kind<sum_square>} : tensor<4x256x4096xf32> -> tensor<4x256xf32>
// CHECK:         nn.reduce {{.*}} {axes = array<i64: 1>, kind = #nn.reduce_kind<sum>} : tensor<4x256xf32> -> tensor<4xf32>
func.func @squares(%x: tensor<4x1048576xf32>) -> tensor<4xf32> {
  %0 = nn.reduce %x {kind = #nn.reduce_kind<sum_square>, axes = array<i64: 1>} : tensor<4x1048576xf32> -> tensor<4xf32>
  return %0 : tensor<4xf32>
}

// -----

// Rows that are shorter, or many, have blocks enough; of an odd number of elements there are no equal parts.
// CHECK-LABEL: func.func @as_they_are
// CHECK-COUNT-3: = nn.reduce
// CHECK-NEXT:    return
func.func @as_they_are(%x: tensor<1x262144xf32>, %y: tensor<128x524288xf32>, %z: tensor<1x1048577xf32>) -> (tensor<1xf32>, tensor<128xf32>, tensor<1xf32>) {
  %0 = nn.reduce %x {kind = #nn.reduce_kind<sum>, axes = array<i64: 1>} : tensor<1x262144xf32> -> tensor<1xf32>
  %1 = nn.reduce %y {kind = #nn.reduce_kind<sum>, axes = array<i64: 1>} : tensor<128x524288xf32> -> tensor<128xf32>
  %2 = nn.reduce %z {kind = #nn.reduce_kind<sum>, axes = array<i64: 1>} : tensor<1x1048577xf32> -> tensor<1xf32>
  return %0, %1, %2 : tensor<1xf32>, tensor<128xf32>, tensor<1xf32>
}
