// RUN: tenon compile %s --target x86-64-v3 -o %t.plan --quiet && tenon inspect %t.plan | FileCheck %s

// 16 columns in a block of 128: packed weights are constants of the plan however much larger than the model's they are.
// CHECK: winograd
module attributes {tenon.phase = "fuse"} {
  kernel.func private @conv(%x: tensor<1x14x14x64xf32>, %w: tensor<16x64x3x3xf32> {kernel.constant}) -> tensor<1x14x14x16xf32>
      attributes {schedule = #kernel.schedule<"winograd", {ku = 4, m = 4, mr = 4, nv = 2, pb = 8, pf = 1, tb = 32, tm = 1, tn = 1}>} {
    %0 = nn.conv %x, %w {strides = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>, dilations = array<i64: 1, 1>, layout = #nn.layout<channels_last>} : tensor<1x14x14x64xf32>, tensor<16x64x3x3xf32> -> tensor<1x14x14x16xf32>
    kernel.return %0 : tensor<1x14x14x16xf32>
  }
  func.func @main(%x: tensor<1x14x14x64xf32> {nn.name = "x"}) -> (tensor<1x14x14x16xf32> {nn.name = "y"}) {
    %w = nn.constant dense<0.5> : tensor<16x64x3x3xf32>
    %0 = kernel.dispatch @conv(%x, %w) : (tensor<1x14x14x64xf32>, tensor<16x64x3x3xf32>) -> tensor<1x14x14x16xf32>
    return %0 : tensor<1x14x14x16xf32>
  }
}
