// RUN: tenon-opt %s --nn-form-quantize --canonicalize | FileCheck %s

// relu(sums * a) / s: the sums are multiplied once, by a / s, and saturation at the zero point does what the ReLU did.
// CHECK-LABEL: func.func @requantize
// CHECK-DAG:     %[[X:.*]] = nn.cast %arg0 {to = f32}
// CHECK-DAG:     %[[A:.*]] = nn.constant dense<{{\[\[\[}}1.6666{{.*}}0.8333{{.*}}0.41666{{.*}}> : tensor<8x1x1xf32>
// CHECK:         %[[M:.*]] = nn.mul %[[X]], %[[A]]
// CHECK-NEXT:    %[[Q:.*]] = nn.quantize %[[M]] {to = ui8, zero_point = 0 : i64}
// CHECK-NEXT:    return %[[Q]]
func.func @requantize(%sums: tensor<1x8x4x4xi32>) -> tensor<1x8x4x4xui8> {
  %a = nn.constant dense<[[[0.5]], [[0.25]], [[0.5]], [[0.5]], [[0.5]], [[0.5]], [[0.5]], [[0.125]]]> : tensor<8x1x1xf32>
  %s = nn.constant dense<0.3> : tensor<f32>
  %0 = nn.cast %sums {to = f32} : tensor<1x8x4x4xi32> -> tensor<1x8x4x4xf32>
  %1 = nn.mul %0, %a : tensor<1x8x4x4xf32>, tensor<8x1x1xf32> -> tensor<1x8x4x4xf32>
  %2 = nn.relu %1 : tensor<1x8x4x4xf32> -> tensor<1x8x4x4xf32>
  %3 = nn.div %2, %s : tensor<1x8x4x4xf32>, tensor<f32> -> tensor<1x8x4x4xf32>
  %4 = nn.round %3 : tensor<1x8x4x4xf32> -> tensor<1x8x4x4xf32>
  %5 = nn.clip %4 {low = 0.0 : f64, high = 255.0 : f64} : tensor<1x8x4x4xf32> -> tensor<1x8x4x4xf32>
  %6 = nn.cast %5 {to = ui8} : tensor<1x8x4x4xf32> -> tensor<1x8x4x4xui8>
  return %6 : tensor<1x8x4x4xui8>
}

// clip(sums * a, 0, 6) / s: beyond the bounds, in steps, the byte saturates.
// CHECK-LABEL: func.func @bounded
// CHECK:         %[[M:.*]] = nn.mul
// CHECK-NEXT:    nn.quantize %[[M]] {to = ui8, zero_point = 0 : i64}
// Here it does not: the upper bound is 200 steps.
// CHECK:         %[[N:.*]] = nn.mul
// CHECK-NEXT:    %[[C:.*]] = nn.clip %[[N]] {high = 2.000000e+02 : f64, low = 0.000000e+00 : f64}
// CHECK-NEXT:    nn.quantize %[[C]]
func.func @bounded(%sums: tensor<4xi32>) -> (tensor<4xui8>, tensor<4xui8>) {
  %a = nn.constant dense<[0.5, 0.25, 0.5, 0.75]> : tensor<4xf32>
  %s = nn.constant dense<0.0234375> : tensor<f32>
  %t = nn.constant dense<0.03125> : tensor<f32>
  %0 = nn.cast %sums {to = f32} : tensor<4xi32> -> tensor<4xf32>
  %1 = nn.mul %0, %a : tensor<4xf32>, tensor<4xf32> -> tensor<4xf32>
  %2 = nn.clip %1 {low = 0.0 : f64, high = 6.0 : f64} : tensor<4xf32> -> tensor<4xf32>
  %3 = nn.div %2, %s : tensor<4xf32>, tensor<f32> -> tensor<4xf32>
  %4 = nn.quantize %3 {zero_point = 0 : i64, to = ui8} : tensor<4xf32> -> tensor<4xui8>
  %5 = nn.clip %1 {low = 0.0 : f64, high = 6.25 : f64} : tensor<4xf32> -> tensor<4xf32>
  %6 = nn.div %5, %t : tensor<4xf32>, tensor<f32> -> tensor<4xf32>
  %7 = nn.quantize %6 {zero_point = 0 : i64, to = ui8} : tensor<4xf32> -> tensor<4xui8>
  return %4, %7 : tensor<4xui8>, tensor<4xui8>
}

// What was never an integer is divided, as QuantizeLinear says.
// CHECK-LABEL: func.func @real
// CHECK:         %[[D:.*]] = nn.div %arg0
// CHECK-NEXT:    nn.quantize %[[D]] {to = i8, zero_point = -4 : i64}
func.func @real(%x: tensor<6xf32>) -> tensor<6xi8> {
  %s = nn.constant dense<0.3> : tensor<f32>
  %z = nn.constant dense<-4.0> : tensor<f32>
  %0 = nn.div %x, %s : tensor<6xf32>, tensor<f32> -> tensor<6xf32>
  %1 = nn.round %0 : tensor<6xf32> -> tensor<6xf32>
  %2 = nn.add %1, %z : tensor<6xf32>, tensor<f32> -> tensor<6xf32>
  %3 = nn.clip %2 {low = -128.0 : f64, high = 127.0 : f64} : tensor<6xf32> -> tensor<6xf32>
  %4 = nn.cast %3 {to = i8} : tensor<6xf32> -> tensor<6xi8>
  return %4 : tensor<6xi8>
}

// Bounds within the type's saturate earlier: no quantization.
// CHECK-LABEL: func.func @narrow
// CHECK-NOT:     nn.quantize
func.func @narrow(%x: tensor<6xf32>) -> tensor<6xui8> {
  %1 = nn.round %x : tensor<6xf32> -> tensor<6xf32>
  %3 = nn.clip %1 {low = 0.0 : f64, high = 15.0 : f64} : tensor<6xf32> -> tensor<6xf32>
  %4 = nn.cast %3 {to = ui8} : tensor<6xf32> -> tensor<6xui8>
  return %4 : tensor<6xui8>
}
