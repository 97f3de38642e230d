// RUN: tenon-opt %s --nn-promote-half | FileCheck %s

// Inputs, outputs and constants keep their type; what is between is f32.
// CHECK-LABEL: func.func @main(%arg0: tensor<2x4xf16>) -> tensor<2x3xf16>
// CHECK:         %[[X:.*]] = nn.cast %arg0 {to = f32}
// CHECK:         %[[W:.*]] = nn.cast %{{.*}} {to = f32} : tensor<4x3xf16> -> tensor<4x3xf32>
// CHECK:         %[[P:.*]] = nn.matmul %[[X]], %[[W]] : tensor<2x4xf32>, tensor<4x3xf32> -> tensor<2x3xf32>
// CHECK:         %[[Y:.*]] = nn.cast %{{.*}} {to = f16} : tensor<2x3xf32> -> tensor<2x3xf16>
// CHECK:         return %[[Y]]
func.func @main(%x: tensor<2x4xf16>) -> tensor<2x3xf16> {
  %w = nn.constant dense_resource<w> : tensor<4x3xf16>
  %0 = nn.matmul %x, %w : tensor<2x4xf16>, tensor<4x3xf16> -> tensor<2x3xf16>
  %1 = nn.relu %0 : tensor<2x3xf16> -> tensor<2x3xf16>
  return %1 : tensor<2x3xf16>
}

// The bits of a half are those of the half.
// CHECK-LABEL: func.func @bits
// CHECK:         %[[H:.*]] = nn.cast %{{.*}} {to = f16} : tensor<4xf32> -> tensor<4xf16>
// CHECK:         nn.bitcast %[[H]] {to = i16} : tensor<4xf16> -> tensor<4xi16>
func.func @bits(%x: tensor<4xf16>) -> tensor<4xi16> {
  %0 = nn.relu %x : tensor<4xf16> -> tensor<4xf16>
  %1 = nn.bitcast %0 {to = i16} : tensor<4xf16> -> tensor<4xi16>
  return %1 : tensor<4xi16>
}

// A function whose products are all of bf16 says so; one of f16 or f32 among them makes it another.
// CHECK-LABEL: func.func @of_bf16
// CHECK-SAME:    attributes {tenon.of_bf16}
func.func @of_bf16(%x: tensor<4x16xbf16>, %w: tensor<16x8xbf16>) -> tensor<4x8xbf16> {
  %0 = nn.matmul %x, %w : tensor<4x16xbf16>, tensor<16x8xbf16> -> tensor<4x8xbf16>
  return %0 : tensor<4x8xbf16>
}

// CHECK-LABEL: func.func @mixed
// CHECK-NOT:     tenon.of_bf16
// CHECK:         return
func.func @mixed(%x: tensor<4x16xbf16>, %w: tensor<16x8xbf16>, %v: tensor<8x8xf32>) -> tensor<4x8xf32> {
  %0 = nn.matmul %x, %w : tensor<4x16xbf16>, tensor<16x8xbf16> -> tensor<4x8xbf16>
  %1 = nn.cast %0 {to = f32} : tensor<4x8xbf16> -> tensor<4x8xf32>
  %2 = nn.matmul %1, %v : tensor<4x8xf32>, tensor<8x8xf32> -> tensor<4x8xf32>
  return %2 : tensor<4x8xf32>
}
