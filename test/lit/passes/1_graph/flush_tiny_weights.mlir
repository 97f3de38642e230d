// RUN: tenon-opt %s --nn-flush-tiny-weights | FileCheck %s

// Subnormal weights and biases, and those below 2^-100 of the largest (1.0e-29 and 1.0e-32 are on its two sides), become zero.
// CHECK-LABEL: func.func @conv
// CHECK-DAG:     dense<[2.500000e-01, 0.000000e+00]> : tensor<2xf32>
// CHECK-DAG:     dense<{{\[\[\[\[}}1.000000e+00]], {{\[\[}}0.000000e+00]]], {{\[\[\[}}1.000000e-29]], {{\[\[}}0.000000e+00]]]]> : tensor<2x2x1x1xf32>
func.func @conv(%x: tensor<1x4x4x2xf32>) -> tensor<1x4x4x2xf32> {
  %w = nn.constant dense<[[[[1.0]], [[1.0e-40]]], [[[1.0e-29]], [[1.0e-32]]]]> : tensor<2x2x1x1xf32>
  %b = nn.constant dense<[0.25, -3.0e-42]> : tensor<2xf32>
  %0 = nn.conv %x, %w bias %b {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, layout = #nn.layout<channels_last>} : tensor<1x4x4x2xf32>, tensor<2x2x1x1xf32>, tensor<2xf32> -> tensor<1x4x4x2xf32>
  return %0 : tensor<1x4x4x2xf32>
}

// Other readers of the constant see it as it is.
// CHECK-LABEL: func.func @shared
// CHECK-DAG:     %[[FLUSHED:.*]] = nn.constant dense<{{\[\[}}0.000000e+00, 1.000000e+00]]>
// CHECK-DAG:     %[[GIVEN:.*]] = nn.constant dense<{{\[\[}}9.999940e-41, 1.000000e+00]]>
// CHECK:         nn.matmul %arg0, %[[FLUSHED]]
// CHECK:         nn.add %arg1, %[[GIVEN]]
func.func @shared(%x: tensor<3x1xf32>, %y: tensor<1x2xf32>) -> (tensor<3x2xf32>, tensor<1x2xf32>) {
  %w = nn.constant dense<[[1.0e-40, 1.0]]> : tensor<1x2xf32>
  %0 = nn.matmul %x, %w : tensor<3x1xf32>, tensor<1x2xf32> -> tensor<3x2xf32>
  %1 = nn.add %y, %w : tensor<1x2xf32>, tensor<1x2xf32> -> tensor<1x2xf32>
  return %0, %1 : tensor<3x2xf32>, tensor<1x2xf32>
}
