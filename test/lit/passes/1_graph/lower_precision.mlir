// RUN: tenon-opt %s --nn-lower-precision=to=f16 | FileCheck %s

// Between bytes nothing is rounded: sums are scaled, joined with a residual and quantized in f32. What is only scaled is a half from there on.
// CHECK-LABEL: func.func @bytes
// CHECK:         nn.cast %{{.*}} {to = f32} : tensor<1x4x4x8xi32> -> tensor<1x4x4x8xf32>
// CHECK:         nn.mul %{{.*}} : tensor<1x4x4x8xf32>, tensor<8xf32> -> tensor<1x4x4x8xf32>
// CHECK:         nn.silu %{{.*}} : tensor<1x4x4x8xf32>
// CHECK:         nn.quantize %{{.*}} : tensor<1x4x4x8xf32>
// CHECK:         %[[SCALED:.*]] = nn.mul %{{.*}} : tensor<1x4x4x8xf32>, tensor<f32> -> tensor<1x4x4x8xf32>
// CHECK:         %[[HALF:.*]] = nn.cast %[[SCALED]] {to = f16}
// CHECK:         nn.reduce %[[HALF]] {{.*}} -> tensor<1x8xf16>
func.func @bytes(%x: tensor<1x4x4x8xf32>) -> (tensor<1x4x4x8xui8>, tensor<1x8xf32>) {
  %w = nn.constant dense<1> : tensor<8x8x1x1xi8>
  %a = nn.constant dense<0.01> : tensor<8xf32>
  %s = nn.constant dense<0.5> : tensor<f32>
  %q = nn.quantize %x {zero_point = 0 : i64, to = ui8} : tensor<1x4x4x8xf32> -> tensor<1x4x4x8xui8>
  %0 = nn.conv %q, %w {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, layout = #nn.layout<channels_last>} : tensor<1x4x4x8xui8>, tensor<8x8x1x1xi8> -> tensor<1x4x4x8xi32>
  %1 = nn.cast %0 {to = f32} : tensor<1x4x4x8xi32> -> tensor<1x4x4x8xf32>
  %2 = nn.mul %1, %a : tensor<1x4x4x8xf32>, tensor<8xf32> -> tensor<1x4x4x8xf32>
  %3 = nn.silu %2 : tensor<1x4x4x8xf32> -> tensor<1x4x4x8xf32>
  %4 = nn.quantize %3 {zero_point = 3 : i64, to = ui8} : tensor<1x4x4x8xf32> -> tensor<1x4x4x8xui8>
  %5 = nn.cast %4 {to = f32} : tensor<1x4x4x8xui8> -> tensor<1x4x4x8xf32>
  %6 = nn.mul %5, %s : tensor<1x4x4x8xf32>, tensor<f32> -> tensor<1x4x4x8xf32>
  %7 = nn.reduce %6 {kind = #nn.reduce_kind<mean>, axes = array<i64: 1, 2>} : tensor<1x4x4x8xf32> -> tensor<1x8xf32>
  return %4, %7 : tensor<1x4x4x8xui8>, tensor<1x8xf32>
}

// Filters that read bytes less their zero point are exact in f32; networks without bytes have halves throughout.
// CHECK-LABEL: func.func @filter
// CHECK:         nn.conv %{{.*}} : tensor<1x4x4x8xf32>, tensor<8x1x3x3xf32> -> tensor<1x4x4x8xf32>
// CHECK:         nn.add %{{.*}} : tensor<1x4x4x8xf16>, tensor<1x4x4x8xf16>
func.func @filter(%x: tensor<1x4x4x8xf32>, %y: tensor<1x4x4x8xf32>) -> (tensor<1x4x4x8xf32>, tensor<1x4x4x8xf32>) {
  %w = nn.constant dense<3.0> : tensor<8x1x3x3xf32>
  %z = nn.constant dense<7.0> : tensor<f32>
  %q = nn.quantize %x {zero_point = 7 : i64, to = ui8} : tensor<1x4x4x8xf32> -> tensor<1x4x4x8xui8>
  %0 = nn.cast %q {to = f32} : tensor<1x4x4x8xui8> -> tensor<1x4x4x8xf32>
  %1 = nn.sub %0, %z : tensor<1x4x4x8xf32>, tensor<f32> -> tensor<1x4x4x8xf32>
  %2 = nn.conv %1, %w {strides = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>, dilations = array<i64: 1, 1>, groups = 8 : i64, layout = #nn.layout<channels_last>} : tensor<1x4x4x8xf32>, tensor<8x1x3x3xf32> -> tensor<1x4x4x8xf32>
  %3 = nn.add %x, %y : tensor<1x4x4x8xf32>, tensor<1x4x4x8xf32> -> tensor<1x4x4x8xf32>
  return %2, %3 : tensor<1x4x4x8xf32>, tensor<1x4x4x8xf32>
}
