// The oldest GPUs have the instructions that halves are computed with, in a later version of PTX than they came with.
// REQUIRES: ptxas
// RUN: tenon compile %s --target cuda:sm_75 --precision fp16 -o %t.plan --quiet && tenon inspect %t.plan | FileCheck %s

// CHECK: machine code for sm_75 ({{.*}}), PTX for sm_75 and later

module attributes {tenon.phase = "import", tenon.target = "native", tenon.model = "gelu"} {
  func.func @main(%x: tensor<64x256xf32> {nn.name = "x"}) -> (tensor<64x256xf32> {nn.name = "y"}) {
    %0 = nn.gelu %x : tensor<64x256xf32> -> tensor<64x256xf32>
    return %0 : tensor<64x256xf32>
  }
}
