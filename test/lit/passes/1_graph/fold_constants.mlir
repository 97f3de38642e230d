// RUN: tenon-opt %s --nn-fold-constants | FileCheck %s

// tenon-opt cannot run code: the pass leaves what it could evaluate.
// CHECK-LABEL: func.func @main
// CHECK:         nn.sqrt
// CHECK:         nn.expand
func.func @main(%x: tensor<4xf32>) -> (tensor<4xf32>, tensor<262144x4xf32>) {
  %w = nn.constant dense_resource<w> : tensor<4xf32>
  %0 = nn.sqrt %w : tensor<4xf32> -> tensor<4xf32>
  %1 = nn.add %x, %0 : tensor<4xf32>, tensor<4xf32> -> tensor<4xf32>
  %3 = nn.expand %w {dims = #nn.dims<[262144, 4]>} : tensor<4xf32> -> tensor<262144x4xf32>
  return %1, %3 : tensor<4xf32>, tensor<262144x4xf32>
}
