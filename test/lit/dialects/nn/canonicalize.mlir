// RUN: tenon-opt %s -canonicalize | FileCheck %s

// CHECK-LABEL: func.func @reshapes
func.func @reshapes(%x: tensor<?x4x4xf32, #nn.dims<[n, 4, 4]>>) -> tensor<?x8xf32, #nn.dims<[2 * n, 8]>> {
  // CHECK-NEXT: nn.reshape %{{.*}} {dims = #nn.dims<[2 * n, 8]>}
  %0 = nn.reshape %x {dims = #nn.dims<[n, 16]>} : tensor<?x4x4xf32, #nn.dims<[n, 4, 4]>> -> tensor<?x16xf32, #nn.dims<[n, 16]>>
  %1 = nn.reshape %0 {dims = #nn.dims<[2 * n, 8]>} : tensor<?x16xf32, #nn.dims<[n, 16]>> -> tensor<?x8xf32, #nn.dims<[2 * n, 8]>>
  // CHECK-NEXT: return
  return %1 : tensor<?x8xf32, #nn.dims<[2 * n, 8]>>
}

// To channels last and back is nothing at all.
// CHECK-LABEL: func.func @transposes
// CHECK-SAME: (%[[X:.*]]: tensor<1x2x3x4xf32>)
func.func @transposes(%x: tensor<1x2x3x4xf32>) -> tensor<1x2x3x4xf32> {
  %0 = nn.transpose %x {perm = array<i64: 0, 2, 3, 1>} : tensor<1x2x3x4xf32> -> tensor<1x3x4x2xf32>
  %1 = nn.transpose %0 {perm = array<i64: 0, 3, 1, 2>} : tensor<1x3x4x2xf32> -> tensor<1x2x3x4xf32>
  // CHECK-NEXT: return %[[X]]
  return %1 : tensor<1x2x3x4xf32>
}

// Axes of size 1 may move freely; a free axis may be longer.
// CHECK-LABEL: func.func @unit_axes
func.func @unit_axes(%x: tensor<5x1x7x1xf32>, %y: tensor<5x?xf32, #nn.dims<[5, n]>>) -> (tensor<1x5x7x1xf32>, tensor<?x5xf32, #nn.dims<[n, 5]>>) {
  // CHECK: nn.reshape %{{.*}} {dims = #nn.dims<[1, 5, 7, 1]>}
  %0 = nn.transpose %x {perm = array<i64: 1, 0, 2, 3>} : tensor<5x1x7x1xf32> -> tensor<1x5x7x1xf32>
  // CHECK: nn.transpose
  %1 = nn.transpose %y {perm = array<i64: 1, 0>} : tensor<5x?xf32, #nn.dims<[5, n]>> -> tensor<?x5xf32, #nn.dims<[n, 5]>>
  return %0, %1 : tensor<1x5x7x1xf32>, tensor<?x5xf32, #nn.dims<[n, 5]>>
}

// Elements 2, 4, 6, 8 of x, then the last two of those: 6 and 8.
// CHECK-LABEL: func.func @slices
func.func @slices(%x: tensor<10xf32>) -> tensor<2xf32> {
  // CHECK-NEXT: nn.slice %{{.*}} {sizes = #nn.dims<[2]>, starts = #nn.dims<[6]>, steps = array<i64: 2>} : tensor<10xf32> -> tensor<2xf32>
  %0 = nn.slice %x {starts = #nn.dims<[2]>, sizes = #nn.dims<[4]>, steps = array<i64: 2>} : tensor<10xf32> -> tensor<4xf32>
  %1 = nn.slice %0 {starts = #nn.dims<[2]>, sizes = #nn.dims<[2]>, steps = array<i64: 1>} : tensor<4xf32> -> tensor<2xf32>
  // CHECK-NEXT: return
  return %1 : tensor<2xf32>
}

// f16 -> f32 -> f64 loses nothing, f32 -> f16 -> f32 does.
// CHECK-LABEL: func.func @casts
func.func @casts(%x: tensor<2xf16>, %y: tensor<2xf32>) -> (tensor<2xf64>, tensor<2xf32>) {
  // CHECK: nn.cast %{{.*}} {to = f64} : tensor<2xf16> -> tensor<2xf64>
  %0 = nn.cast %x {to = f32} : tensor<2xf16> -> tensor<2xf32>
  %1 = nn.cast %0 {to = f64} : tensor<2xf32> -> tensor<2xf64>
  // CHECK: nn.cast %{{.*}} {to = f16}
  // CHECK: nn.cast %{{.*}} {to = f32}
  %2 = nn.cast %y {to = f16} : tensor<2xf32> -> tensor<2xf16>
  %3 = nn.cast %2 {to = f32} : tensor<2xf16> -> tensor<2xf32>
  return %1, %3 : tensor<2xf64>, tensor<2xf32>
}

// The last row of a sequence of any length that is known not to be empty.
// CHECK-LABEL: func.func @gather_one
func.func @gather_one(%x: tensor<1x?x8xf32, #nn.dims<[1, t + 1, 8]>>) -> tensor<1x8xf32> {
  %last = nn.constant dense<-1> : tensor<i64>
  // CHECK-NEXT: %[[S:.*]] = nn.slice %{{.*}} {sizes = #nn.dims<[1, 1, 8]>, starts = #nn.dims<[0, t, 0]>, steps = array<i64: 1, 1, 1>}
  // CHECK-NEXT: nn.reshape %[[S]] {dims = #nn.dims<[1, 8]>}
  %0 = nn.gather %x, %last {axis = 1 : i64} : (tensor<1x?x8xf32, #nn.dims<[1, t + 1, 8]>>, tensor<i64>) -> tensor<1x8xf32>
  return %0 : tensor<1x8xf32>
}

// A sequence that may be empty has no last row for certain.
// CHECK-LABEL: func.func @gather_perhaps
func.func @gather_perhaps(%x: tensor<1x?x8xf32, #nn.dims<[1, t, 8]>>) -> tensor<1x8xf32> {
  %last = nn.constant dense<-1> : tensor<i64>
  // CHECK: nn.gather
  %0 = nn.gather %x, %last {axis = 1 : i64} : (tensor<1x?x8xf32, #nn.dims<[1, t, 8]>>, tensor<i64>) -> tensor<1x8xf32>
  return %0 : tensor<1x8xf32>
}

// CHECK-LABEL: func.func @concats
// CHECK-SAME: (%[[A:.*]]: tensor<1xf32>, %[[B:.*]]: tensor<2xf32>, %[[E:.*]]: tensor<0xf32>)
func.func @concats(%a: tensor<1xf32>, %b: tensor<2xf32>, %e: tensor<0xf32>) -> tensor<4xf32> {
  // CHECK-NEXT: nn.concat %[[A]], %[[B]], %[[A]] {axis = 0 : i64}
  %0 = nn.concat %a, %e, %b {axis = 0 : i64} : tensor<1xf32>, tensor<0xf32>, tensor<2xf32> -> tensor<3xf32>
  %1 = nn.concat %0, %a {axis = 0 : i64} : tensor<3xf32>, tensor<1xf32> -> tensor<4xf32>
  // CHECK-NEXT: return
  return %1 : tensor<4xf32>
}

// The op broadcasts by itself; where both operands were expanded, one expand must stay.
// CHECK-LABEL: func.func @expands
func.func @expands(%x: tensor<4x8xf32>, %b: tensor<8xf32>, %s: tensor<f32>) -> (tensor<4x8xf32>, tensor<8xf32>) {
  // CHECK: nn.add %{{.*}}, %{{.*}} : tensor<4x8xf32>, tensor<8xf32> -> tensor<4x8xf32>
  %wide = nn.expand %b {dims = #nn.dims<[4, 8]>} : tensor<8xf32> -> tensor<4x8xf32>
  %0 = nn.add %x, %wide : tensor<4x8xf32>, tensor<4x8xf32> -> tensor<4x8xf32>
  // CHECK: nn.expand
  // CHECK-NOT: nn.expand
  %s8 = nn.expand %s {dims = #nn.dims<[8]>} : tensor<f32> -> tensor<8xf32>
  %t8 = nn.expand %s {dims = #nn.dims<[8]>} : tensor<f32> -> tensor<8xf32>
  %1 = nn.sub %s8, %t8 : tensor<8xf32>, tensor<8xf32> -> tensor<8xf32>
  return %0, %1 : tensor<4x8xf32>, tensor<8xf32>
}
