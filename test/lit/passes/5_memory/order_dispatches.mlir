// RUN: tenon-opt %s --pass-pipeline='builtin.module(func.func(kernel-order-dispatches))' | FileCheck %s

kernel.func private @wide(%x: tensor<4xf32>) -> tensor<64xf32> {
  %0 = nn.tile %x {repeats = #nn.dims<[16]>} : tensor<4xf32> -> tensor<64xf32>
  kernel.return %0 : tensor<64xf32>
}
kernel.func private @narrow(%x: tensor<64xf32>) -> tensor<4xf32> {
  %0 = nn.slice %x {starts = #nn.dims<[0]>, sizes = #nn.dims<[4]>, steps = array<i64: 1>} : tensor<64xf32> -> tensor<4xf32>
  kernel.return %0 : tensor<4xf32>
}

// Both wide tensors alive at once: 2 x 256 bytes. One after the other: 256 + 16 + 256.
// CHECK-LABEL: func.func @main
// CHECK:         %[[A:.*]] = kernel.dispatch @wide(%arg0)
// CHECK-NEXT:    kernel.dispatch @narrow(%[[A]])
// CHECK-NEXT:    %[[B:.*]] = kernel.dispatch @wide(%arg1)
// CHECK-NEXT:    kernel.dispatch @narrow(%[[B]])
func.func @main(%x: tensor<4xf32>, %y: tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>) {
  %a = kernel.dispatch @wide(%x) : (tensor<4xf32>) -> tensor<64xf32>
  %b = kernel.dispatch @wide(%y) : (tensor<4xf32>) -> tensor<64xf32>
  %c = kernel.dispatch @narrow(%a) : (tensor<64xf32>) -> tensor<4xf32>
  %d = kernel.dispatch @narrow(%b) : (tensor<64xf32>) -> tensor<4xf32>
  return %c, %d : tensor<4xf32>, tensor<4xf32>
}
