// RUN: not tenon-opt %s --codegen-emit-cpu 2>&1 | FileCheck %s

// CHECK: error: has no schedule
kernel.func private @relu(%x: tensor<8xf32>) -> tensor<8xf32> {
  %0 = nn.relu %x : tensor<8xf32> -> tensor<8xf32>
  kernel.return %0 : tensor<8xf32>
}
