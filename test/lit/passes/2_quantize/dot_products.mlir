// RUN: tenon-opt %s --nn-dot-products --canonicalize | FileCheck %s

// sum (x - 3) w = sum x w - 3 sum w; padding reads 3, so that the correction holds at the border too.
// CHECK-LABEL: func.func @conv
// The bias is -3 * 36 * -128.
// CHECK-DAG:     %[[W:.*]] = nn.constant dense<-128> : tensor<8x4x3x3xi8>
// CHECK-DAG:     %[[B:.*]] = nn.constant dense<13824> : tensor<8xi32>
// CHECK-DAG:     %[[P:.*]] = nn.pad %arg0 value %{{.*}} {high = #nn.dims<[0, 0, 1, 1]>, low = #nn.dims<[0, 0, 1, 1]>}
// CHECK:         nn.conv %[[P]], %[[W]] bias %[[B]] {{.*}}pads = array<i64: 0, 0, 0, 0>{{.*}} : tensor<1x4x6x6xui8>, tensor<8x4x3x3xi8>, tensor<8xi32> -> tensor<1x8x4x4xi32>
func.func @conv(%x: tensor<1x4x4x4xui8>) -> tensor<1x8x4x4xi32> {
  %z = nn.constant dense<3> : tensor<i32>
  %w = nn.constant dense<-128> : tensor<8x4x3x3xi32>
  %0 = nn.cast %x {to = i32} : tensor<1x4x4x4xui8> -> tensor<1x4x4x4xi32>
  %1 = nn.sub %0, %z : tensor<1x4x4x4xi32>, tensor<i32> -> tensor<1x4x4x4xi32>
  %y = nn.conv %1, %w {strides = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>, dilations = array<i64: 1, 1>}
     : tensor<1x4x4x4xi32>, tensor<8x4x3x3xi32> -> tensor<1x8x4x4xi32>
  return %y : tensor<1x8x4x4xi32>
}

// Signed bytes count from 128 on: what quantized them does so at once.
// CHECK-LABEL: func.func @signed
// CHECK-DAG:     %[[Q:.*]] = nn.quantize %arg0 {to = ui8, zero_point = 133 : i64}
// The bias is -133 * 8 * 127.
// CHECK-DAG:     %[[B:.*]] = nn.constant dense<-135128> : tensor<5xi32>
// CHECK:         nn.matmul %[[Q]], %{{.*}} bias %{{.*}} : tensor<2x8xui8>, tensor<8x5xi8>, tensor<5xi32> -> tensor<2x5xi32>
func.func @signed(%x: tensor<2x8xf32>) -> tensor<2x5xi32> {
  %q = nn.quantize %x {zero_point = 5 : i64, to = i8} : tensor<2x8xf32> -> tensor<2x8xi8>
  %z = nn.constant dense<5> : tensor<i32>
  %w = nn.constant dense<127> : tensor<8x5xi32>
  %0 = nn.cast %q {to = i32} : tensor<2x8xi8> -> tensor<2x8xi32>
  %1 = nn.sub %0, %z : tensor<2x8xi32>, tensor<i32> -> tensor<2x8xi32>
  %y = nn.matmul %1, %w : tensor<2x8xi32>, tensor<8x5xi32> -> tensor<2x5xi32>
  return %y : tensor<2x5xi32>
}

// Weights that do not fit signed bytes, three channels, groups: nn-exact-integers takes them.
// CHECK-LABEL: func.func @others
// CHECK:         nn.matmul {{.*}} : tensor<2x8xi32>, tensor<8x5xi32>
// CHECK:         nn.matmul {{.*}} : tensor<2x3xi32>, tensor<3x5xi32>
// CHECK:         nn.conv {{.*}} : tensor<1x8x4x4xi32>, tensor<8x4x1x1xi32>
func.func @others(%x: tensor<2x8xui8>, %v: tensor<2x3xui8>, %u: tensor<1x8x4x4xui8>) -> (tensor<2x5xi32>, tensor<2x5xi32>, tensor<1x8x4x4xi32>) {
  %w = nn.constant dense<200> : tensor<8x5xi32>
  %w3 = nn.constant dense<1> : tensor<3x5xi32>
  %wg = nn.constant dense<1> : tensor<8x4x1x1xi32>
  %0 = nn.cast %x {to = i32} : tensor<2x8xui8> -> tensor<2x8xi32>
  %1 = nn.cast %v {to = i32} : tensor<2x3xui8> -> tensor<2x3xi32>
  %2 = nn.cast %u {to = i32} : tensor<1x8x4x4xui8> -> tensor<1x8x4x4xi32>
  %a = nn.matmul %0, %w : tensor<2x8xi32>, tensor<8x5xi32> -> tensor<2x5xi32>
  %b = nn.matmul %1, %w3 : tensor<2x3xi32>, tensor<3x5xi32> -> tensor<2x5xi32>
  %c = nn.conv %2, %wg {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, groups = 2 : i64}
     : tensor<1x8x4x4xi32>, tensor<8x4x1x1xi32> -> tensor<1x8x4x4xi32>
  return %a, %b, %c : tensor<2x5xi32>, tensor<2x5xi32>, tensor<1x8x4x4xi32>
}
