// RUN: tenon-opt %s --nn-propagate-quantization | FileCheck %s

// Both parts are quantized, then bytes are joined.
// CHECK-LABEL: func.func @concat
// CHECK-DAG:     %[[A:.*]] = nn.quantize %{{.*}} : tensor<1x2xf32> -> tensor<1x2xui8>
// CHECK-DAG:     %[[B:.*]] = nn.quantize %{{.*}} : tensor<1x3xf32> -> tensor<1x3xui8>
// CHECK:         %[[Y:.*]] = nn.concat %[[A]], %[[B]] {{.*}} : tensor<1x2xui8>, tensor<1x3xui8> -> tensor<1x5xui8>
// CHECK-NEXT:    return %[[Y]]
func.func @concat(%a: tensor<1x2xf32>, %b: tensor<1x3xf32>) -> tensor<1x5xui8> {
  %s = nn.constant dense<0.5> : tensor<f32>
  %0 = nn.concat %a, %b {axis = 1 : i64} : tensor<1x2xf32>, tensor<1x3xf32> -> tensor<1x5xf32>
  %1 = nn.div %0, %s : tensor<1x5xf32>, tensor<f32> -> tensor<1x5xf32>
  %2 = nn.quantize %1 {zero_point = 3 : i64, to = ui8} : tensor<1x5xf32> -> tensor<1x5xui8>
  return %2 : tensor<1x5xui8>
}

// Rounding and saturation keep the order: the largest number becomes the largest byte.
// CHECK-LABEL: func.func @maximum
// CHECK:         %[[Q:.*]] = nn.quantize %{{.*}} -> tensor<1x4x4x4xui8>
// CHECK:         nn.pool %[[Q]] {{.*}} -> tensor<1x4x2x2xui8>
func.func @maximum(%x: tensor<1x4x4x4xf32>) -> tensor<1x4x2x2xui8> {
  %s = nn.constant dense<0.5> : tensor<f32>
  %0 = nn.pool %x {kind = #nn.pool_kind<max>, window = array<i64: 2, 2>, strides = array<i64: 2, 2>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>}
     : tensor<1x4x4x4xf32> -> tensor<1x4x2x2xf32>
  %1 = nn.div %0, %s : tensor<1x4x2x2xf32>, tensor<f32> -> tensor<1x4x2x2xf32>
  %2 = nn.quantize %1 {zero_point = 3 : i64, to = ui8} : tensor<1x4x2x2xf32> -> tensor<1x4x2x2xui8>
  return %2 : tensor<1x4x2x2xui8>
}

// A negative scale turns maxima into minima: it stays where it is.
// CHECK-LABEL: func.func @falling
// CHECK:         nn.pool %arg0
func.func @falling(%x: tensor<1x4x4x4xf32>) -> tensor<1x4x2x2xui8> {
  %s = nn.constant dense<-0.5> : tensor<f32>
  %0 = nn.pool %x {kind = #nn.pool_kind<max>, window = array<i64: 2, 2>, strides = array<i64: 2, 2>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>}
     : tensor<1x4x4x4xf32> -> tensor<1x4x2x2xf32>
  %1 = nn.mul %0, %s : tensor<1x4x2x2xf32>, tensor<f32> -> tensor<1x4x2x2xf32>
  %2 = nn.quantize %1 {zero_point = 3 : i64, to = ui8} : tensor<1x4x2x2xf32> -> tensor<1x4x2x2xui8>
  return %2 : tensor<1x4x2x2xui8>
}

// Something else reads the joined floats: they are made anyway.
// CHECK-LABEL: func.func @shared
// CHECK:         %[[C:.*]] = nn.concat %arg0, %arg1
// CHECK:         nn.quantize {{.*}} -> tensor<1x5xui8>
func.func @shared(%a: tensor<1x2xf32>, %b: tensor<1x3xf32>) -> (tensor<1x5xui8>, tensor<1x5xf32>) {
  %0 = nn.concat %a, %b {axis = 1 : i64} : tensor<1x2xf32>, tensor<1x3xf32> -> tensor<1x5xf32>
  %2 = nn.quantize %0 {zero_point = 3 : i64, to = ui8} : tensor<1x5xf32> -> tensor<1x5xui8>
  return %2, %0 : tensor<1x5xui8>, tensor<1x5xf32>
}

// Half of what was made of bytes: half of the bytes are taken, and quantized again.
// CHECK-LABEL: func.func @part
// CHECK:         %[[B:.*]] = nn.slice %arg0 {{.*}} : tensor<1x8xui8> -> tensor<1x4xui8>
// CHECK-NEXT:    nn.cast %[[B]] {{.*}} : tensor<1x4xui8> -> tensor<1x4xf32>
// CHECK:         nn.quantize {{.*}} : tensor<1x4xf32> -> tensor<1x4xui8>
func.func @part(%x: tensor<1x8xui8>) -> tensor<1x4xui8> {
  %s = nn.constant dense<0.5> : tensor<f32>
  %t = nn.constant dense<0.75> : tensor<f32>
  %0 = nn.cast %x {to = f32} : tensor<1x8xui8> -> tensor<1x8xf32>
  %1 = nn.mul %0, %s : tensor<1x8xf32>, tensor<f32> -> tensor<1x8xf32>
  %2 = nn.slice %1 {starts = #nn.dims<[0, 4]>, sizes = #nn.dims<[1, 4]>, steps = array<i64: 1, 1>} : tensor<1x8xf32> -> tensor<1x4xf32>
  %3 = nn.div %2, %t : tensor<1x4xf32>, tensor<f32> -> tensor<1x4xf32>
  %4 = nn.quantize %3 {zero_point = 3 : i64, to = ui8} : tensor<1x4xf32> -> tensor<1x4xui8>
  return %4 : tensor<1x4xui8>
}

// Quantized twice, with a move in front: the first quantization waits for its turn when the second one takes it along.
// CHECK-LABEL: func.func @twice
// CHECK:         nn.quantize
// CHECK:         nn.quantize
// CHECK:         nn.reshape %{{.*}} : tensor<2x6xui8> -> tensor<12xui8>
func.func @twice(%x: tensor<2x6xf32>) -> tensor<12xui8> {
  %s = nn.constant dense<0.5> : tensor<f32>
  %0 = nn.reshape %x {dims = #nn.dims<[12]>} : tensor<2x6xf32> -> tensor<12xf32>
  %1 = nn.div %0, %s : tensor<12xf32>, tensor<f32> -> tensor<12xf32>
  %2 = nn.quantize %1 {to = ui8, zero_point = 3 : i64} : tensor<12xf32> -> tensor<12xui8>
  %3 = nn.cast %2 {to = f32} : tensor<12xui8> -> tensor<12xf32>
  %4 = nn.quantize %3 {to = ui8, zero_point = 0 : i64} : tensor<12xf32> -> tensor<12xui8>
  return %4 : tensor<12xui8>
}

// One number, repeated, beside others: what takes its place is a constant of one element.
// CHECK-LABEL: func.func @number
// CHECK:         nn.quantize %{{.*}} : tensor<1x1xf32> -> tensor<1x1xui8>
// CHECK:         nn.expand %{{.*}} : tensor<1x1xui8> -> tensor<1x6xui8>
func.func @number() -> tensor<1x6xui8> {
  %s = nn.constant dense<0.5> : tensor<f32>
  %c = nn.constant dense<3.0> : tensor<1x1xf32>
  %0 = nn.expand %c {dims = #nn.dims<[1, 6]>} : tensor<1x1xf32> -> tensor<1x6xf32>
  %1 = nn.div %0, %s : tensor<1x6xf32>, tensor<f32> -> tensor<1x6xf32>
  %2 = nn.quantize %1 {to = ui8, zero_point = 3 : i64} : tensor<1x6xf32> -> tensor<1x6xui8>
  return %2 : tensor<1x6xui8>
}
