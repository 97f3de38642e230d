// RUN: tenon-opt %s --nn-drop-rounding --canonicalize | FileCheck %s

// Sums of nine products of bytes are integers in f32, and so are those that begin at the bias.
// CHECK-LABEL: func.func @filter
// CHECK-NOT:     nn.round
// CHECK:         %[[Y:.*]] = nn.conv %{{.*}}, %{{.*}} bias %{{.*}} : tensor<1x4x4x2xf32>, tensor<2x1x3x3xf32>, tensor<2xf32> -> tensor<1x4x4x2xf32>
// CHECK-NEXT:    return %[[Y]]
func.func @filter(%x: tensor<1x4x4x2xui8>) -> tensor<1x4x4x2xf32> {
  %z = nn.constant dense<3.0> : tensor<f32>
  %w = nn.constant dense<-127.0> : tensor<2x1x3x3xf32>
  %b = nn.constant dense<[[[[1000.0, -7.0]]]]> : tensor<1x1x1x2xf32>
  %0 = nn.cast %x {to = f32} : tensor<1x4x4x2xui8> -> tensor<1x4x4x2xf32>
  %1 = nn.sub %0, %z : tensor<1x4x4x2xf32>, tensor<f32> -> tensor<1x4x4x2xf32>
  %2 = nn.conv %1, %w {strides = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>, dilations = array<i64: 1, 1>, groups = 2 : i64, layout = #nn.layout<channels_last>}
     : tensor<1x4x4x2xf32>, tensor<2x1x3x3xf32> -> tensor<1x4x4x2xf32>
  %3 = nn.round %2 : tensor<1x4x4x2xf32> -> tensor<1x4x4x2xf32>
  %4 = nn.add %3, %b : tensor<1x4x4x2xf32>, tensor<1x1x1x2xf32> -> tensor<1x4x4x2xf32>
  return %4 : tensor<1x4x4x2xf32>
}

// A fraction among the weights, or a bias that the sums do not fit beside.
// CHECK-LABEL: func.func @others
// CHECK:         nn.round
// CHECK:         nn.add
func.func @others(%x: tensor<1x4x4x2xui8>) -> (tensor<1x4x4x2xf32>, tensor<1x4x4x2xf32>) {
  %w = nn.constant dense<0.5> : tensor<2x1x1x1xf32>
  %v = nn.constant dense<2.0> : tensor<2x1x1x1xf32>
  %b = nn.constant dense<16777000.0> : tensor<1x1x1x2xf32>
  %0 = nn.cast %x {to = f32} : tensor<1x4x4x2xui8> -> tensor<1x4x4x2xf32>
  %1 = nn.conv %0, %w {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, groups = 2 : i64, layout = #nn.layout<channels_last>}
     : tensor<1x4x4x2xf32>, tensor<2x1x1x1xf32> -> tensor<1x4x4x2xf32>
  %2 = nn.round %1 : tensor<1x4x4x2xf32> -> tensor<1x4x4x2xf32>
  %3 = nn.conv %0, %v {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, groups = 2 : i64, layout = #nn.layout<channels_last>}
     : tensor<1x4x4x2xf32>, tensor<2x1x1x1xf32> -> tensor<1x4x4x2xf32>
  %4 = nn.round %3 : tensor<1x4x4x2xf32> -> tensor<1x4x4x2xf32>
  %5 = nn.add %4, %b : tensor<1x4x4x2xf32>, tensor<1x1x1x2xf32> -> tensor<1x4x4x2xf32>
  return %2, %5 : tensor<1x4x4x2xf32>, tensor<1x4x4x2xf32>
}
