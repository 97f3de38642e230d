// RUN: tenon-opt %s --nn-exact-integers | FileCheck %s

// 8 * 9 products of at most 255 * 255: below 2^24, so that f32 adds them exactly in any order.
// CHECK-LABEL: func.func @small
// CHECK:         %[[Y:.*]] = nn.conv %{{.*}}, %{{.*}} {{.*}} : tensor<1x8x4x4xf32>, tensor<2x8x3x3xf32> -> tensor<1x2x4x4xf32>
// CHECK-NEXT:    %[[R:.*]] = nn.round %[[Y]]
// CHECK-NEXT:    %[[I:.*]] = nn.cast %[[R]] {to = i32}
// CHECK-NEXT:    return %[[I]]
func.func @small(%x: tensor<1x8x4x4xui8>, %zp: tensor<ui8>, %v: tensor<2x8x3x3xi8>) -> tensor<1x2x4x4xi32> {
  %0 = nn.cast %x {to = i32} : tensor<1x8x4x4xui8> -> tensor<1x8x4x4xi32>
  %1 = nn.cast %zp {to = i32} : tensor<ui8> -> tensor<i32>
  %2 = nn.sub %0, %1 : tensor<1x8x4x4xi32>, tensor<i32> -> tensor<1x8x4x4xi32>
  %w = nn.cast %v {to = i32} : tensor<2x8x3x3xi8> -> tensor<2x8x3x3xi32>
  %y = nn.conv %2, %w {strides = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>, dilations = array<i64: 1, 1>}
     : tensor<1x8x4x4xi32>, tensor<2x8x3x3xi32> -> tensor<1x2x4x4xi32>
  return %y : tensor<1x2x4x4xi32>
}

// The weights are known: 600 * 127 * 255 is above 2^24, two halves are below.
// CHECK-LABEL: func.func @split
// CHECK:         nn.slice {{.*}} -> tensor<4x518xf32>
// CHECK:         nn.matmul %{{.*}}, %{{.*}} : tensor<4x518xf32>, tensor<518x2xf32> -> tensor<4x2xf32>
// CHECK:         nn.matmul %{{.*}}, %{{.*}} : tensor<4x82xf32>, tensor<82x2xf32> -> tensor<4x2xf32>
// CHECK:         nn.add {{.*}} : tensor<4x2xi32>, tensor<4x2xi32> -> tensor<4x2xi32>
func.func @split(%x: tensor<4x600xui8>) -> tensor<4x2xi32> {
  %0 = nn.cast %x {to = i32} : tensor<4x600xui8> -> tensor<4x600xi32>
  %w = nn.constant dense<127> : tensor<600x2xi32>
  %y = nn.matmul %0, %w : tensor<4x600xi32>, tensor<600x2xi32> -> tensor<4x2xi32>
  return %y : tensor<4x2xi32>
}

// Whatever the operands are: they may be large.
// CHECK-LABEL: func.func @unknown
// CHECK:         nn.matmul {{.*}} -> tensor<4x2xi32>
func.func @unknown(%x: tensor<4x8xi32>, %w: tensor<8x2xi32>) -> tensor<4x2xi32> {
  %y = nn.matmul %x, %w : tensor<4x8xi32>, tensor<8x2xi32> -> tensor<4x2xi32>
  return %y : tensor<4x2xi32>
}

// Groups are never split.
// CHECK-LABEL: func.func @depthwise
// CHECK:         nn.conv {{.*}} : tensor<1x32x4x4xf32>, tensor<32x1x3x3xf32> -> tensor<1x32x2x2xf32>
func.func @depthwise(%x: tensor<1x32x4x4xui8>, %v: tensor<32x1x3x3xi8>) -> tensor<1x32x2x2xi32> {
  %0 = nn.cast %x {to = i32} : tensor<1x32x4x4xui8> -> tensor<1x32x4x4xi32>
  %w = nn.cast %v {to = i32} : tensor<32x1x3x3xi8> -> tensor<32x1x3x3xi32>
  %y = nn.conv %0, %w {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, groups = 32 : i64}
     : tensor<1x32x4x4xi32>, tensor<32x1x3x3xi32> -> tensor<1x32x2x2xi32>
  return %y : tensor<1x32x2x2xi32>
}

// What reads the sums as f32 gets them without a detour through i32, and the bias too where all of that stays below 2^24.
// CHECK-LABEL: func.func @real
// CHECK:         %[[Y:.*]] = nn.conv {{.*}} : tensor<1x2x4x4xf32>, tensor<2x1x1x1xf32>
// CHECK-NEXT:    %[[R:.*]] = nn.round %[[Y]]
// CHECK:         %[[B:.*]] = nn.cast %{{.*}} {to = f32} : tensor<2x1x1xi32> -> tensor<2x1x1xf32>
// CHECK-NEXT:    %[[S:.*]] = nn.add %[[R]], %[[B]] : tensor<1x2x4x4xf32>, tensor<2x1x1xf32>
// CHECK-NEXT:    return %[[S]]
func.func @real(%x: tensor<1x2x4x4xui8>) -> tensor<1x2x4x4xf32> {
  %0 = nn.cast %x {to = i32} : tensor<1x2x4x4xui8> -> tensor<1x2x4x4xi32>
  %w = nn.constant dense<100> : tensor<2x1x1x1xi32>
  %b = nn.constant dense<[[[1000]], [[-7]]]> : tensor<2x1x1xi32>
  %y = nn.conv %0, %w {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, groups = 2 : i64}
     : tensor<1x2x4x4xi32>, tensor<2x1x1x1xi32> -> tensor<1x2x4x4xi32>
  %s = nn.add %y, %b : tensor<1x2x4x4xi32>, tensor<2x1x1xi32> -> tensor<1x2x4x4xi32>
  %r = nn.cast %s {to = f32} : tensor<1x2x4x4xi32> -> tensor<1x2x4x4xf32>
  return %r : tensor<1x2x4x4xf32>
}

// A bias that leads beyond 2^24 is added in i32.
// CHECK-LABEL: func.func @large_bias
// CHECK:         nn.add {{.*}} : tensor<1x2x4x4xi32>, tensor<2x1x1xi32>
func.func @large_bias(%x: tensor<1x2x4x4xui8>) -> tensor<1x2x4x4xf32> {
  %0 = nn.cast %x {to = i32} : tensor<1x2x4x4xui8> -> tensor<1x2x4x4xi32>
  %w = nn.constant dense<100> : tensor<2x1x1x1xi32>
  %b = nn.constant dense<[[[16777210]], [[-7]]]> : tensor<2x1x1xi32>
  %y = nn.conv %0, %w {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, groups = 2 : i64}
     : tensor<1x2x4x4xi32>, tensor<2x1x1x1xi32> -> tensor<1x2x4x4xi32>
  %s = nn.add %y, %b : tensor<1x2x4x4xi32>, tensor<2x1x1xi32> -> tensor<1x2x4x4xi32>
  %r = nn.cast %s {to = f32} : tensor<1x2x4x4xi32> -> tensor<1x2x4x4xf32>
  return %r : tensor<1x2x4x4xf32>
}
