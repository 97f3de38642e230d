// RUN: tenon-opt %s --nn-drop-masks | FileCheck %s

// Zeros, of either sign, and a boolean mask that keeps everything hide nothing.
// CHECK-LABEL: func.func @nothing
// CHECK:         nn.attention %arg0, %arg0, %arg0 {
// CHECK:         nn.attention %arg0, %arg0, %arg0 {
// CHECK:         nn.attention %arg0, %arg0, %arg0 {
func.func @nothing(%x: tensor<1x1x2x4xf32>) -> (tensor<1x1x2x4xf32>, tensor<1x1x2x4xf32>, tensor<1x1x2x4xf32>) {
  %m = nn.constant dense<0.0> : tensor<1x1x2x2xf32>
  %n = nn.constant dense<[[[[-0.0, 0.0], [0.0, -0.0]]]]> : tensor<1x1x2x2xf32>
  %b = nn.constant dense<true> : tensor<1x1x2x2xi1>
  %0 = nn.attention %x, %x, %x mask %m : tensor<1x1x2x2xf32> {scale = 0.5 : f64} : tensor<1x1x2x4xf32>, tensor<1x1x2x4xf32>, tensor<1x1x2x4xf32> -> tensor<1x1x2x4xf32>
  %1 = nn.attention %x, %x, %x mask %n : tensor<1x1x2x2xf32> {scale = 0.5 : f64} : tensor<1x1x2x4xf32>, tensor<1x1x2x4xf32>, tensor<1x1x2x4xf32> -> tensor<1x1x2x4xf32>
  %2 = nn.attention %x, %x, %x mask %b : tensor<1x1x2x2xi1> {scale = 0.5 : f64} : tensor<1x1x2x4xf32>, tensor<1x1x2x4xf32>, tensor<1x1x2x4xf32> -> tensor<1x1x2x4xf32>
  return %0, %1, %2 : tensor<1x1x2x4xf32>, tensor<1x1x2x4xf32>, tensor<1x1x2x4xf32>
}

// CHECK-LABEL: func.func @something
// CHECK:         nn.attention {{.*}} mask
// CHECK:         nn.attention {{.*}} mask
// CHECK:         nn.attention {{.*}} mask
func.func @something(%x: tensor<1x1x2x4xf32>, %any: tensor<1x1x2x2xf32>) -> (tensor<1x1x2x4xf32>, tensor<1x1x2x4xf32>, tensor<1x1x2x4xf32>) {
  %m = nn.constant dense<[[[[0.0, 0.0], [0.0, 1.0e-30]]]]> : tensor<1x1x2x2xf32>
  %b = nn.constant dense<[[[[true, true], [true, false]]]]> : tensor<1x1x2x2xi1>
  %0 = nn.attention %x, %x, %x mask %m : tensor<1x1x2x2xf32> {scale = 0.5 : f64} : tensor<1x1x2x4xf32>, tensor<1x1x2x4xf32>, tensor<1x1x2x4xf32> -> tensor<1x1x2x4xf32>
  %1 = nn.attention %x, %x, %x mask %any : tensor<1x1x2x2xf32> {scale = 0.5 : f64} : tensor<1x1x2x4xf32>, tensor<1x1x2x4xf32>, tensor<1x1x2x4xf32> -> tensor<1x1x2x4xf32>
  %2 = nn.attention %x, %x, %x mask %b : tensor<1x1x2x2xi1> {scale = 0.5 : f64} : tensor<1x1x2x4xf32>, tensor<1x1x2x4xf32>, tensor<1x1x2x4xf32> -> tensor<1x1x2x4xf32>
  return %0, %1, %2 : tensor<1x1x2x4xf32>, tensor<1x1x2x4xf32>, tensor<1x1x2x4xf32>
}
