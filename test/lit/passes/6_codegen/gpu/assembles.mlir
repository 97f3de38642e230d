// ptxas takes what the families emit, for every generation that is known: a plan then holds machine code too.
// REQUIRES: ptxas
// RUN: tenon compile %s --target cuda:sm_75 -o %t.plan --quiet && tenon inspect %t.plan | FileCheck %s --check-prefix=SM75
// RUN: tenon check %t.plan --json > %t.json || true
// RUN: FileCheck %s --check-prefix=INTACT --input-file=%t.json
// RUN: tenon compile %s --target jetson-orin --precision fp16 -o %t.plan --quiet && tenon inspect %t.plan | FileCheck %s --check-prefix=ORIN
// RUN: tenon compile %s --target cuda:sm_80 --precision bf16 -o %t.plan --quiet && tenon inspect %t.plan | FileCheck %s --check-prefix=SM80
// RUN: tenon compile %s --target cuda:sm_90a --precision fp16 -o %t.plan --quiet && tenon inspect %t.plan | FileCheck %s --check-prefix=SM90
// RUN: tenon compile %s --target cuda:sm_120a --precision fp16 -o %t.plan --quiet && tenon inspect %t.plan | FileCheck %s --check-prefix=SM120
// RUN: tenon compile %s --target cuda:sm_88 --precision fp16 -o %t.plan --quiet && tenon inspect %t.plan | FileCheck %s --check-prefix=SM88
// RUN: tenon compile %s --target cuda:sm_103a --precision fp16 -o %t.plan --quiet && tenon inspect %t.plan | FileCheck %s --check-prefix=SM103
// RUN: tenon compile %s --target jetson-thor --precision fp16 -o %t.plan --quiet && tenon inspect %t.plan | FileCheck %s --check-prefix=THOR
// RUN: tenon compile %s --target cuda:sm_110a --precision fp16 -o %t.plan --quiet && tenon inspect %t.plan | FileCheck %s --check-prefix=SM110
// RUN: tenon compile %s --target cuda:sm_121a --precision fp16 -o %t.plan --quiet && tenon inspect %t.plan | FileCheck %s --check-prefix=SM121
// With a ptxas that is too old there is PTX alone.
// RUN: env TENON_PTXAS=%S/Inputs/old-ptxas.sh tenon compile %s --target cuda:sm_90 --precision fp16 -o %t.plan --quiet && tenon inspect %t.plan | FileCheck %s --check-prefix=PTX

// Without a GPU the plan cannot run here, which is what check then says; it is intact all the same.
// INTACT: "intact": true
// SM75:  machine code for sm_75 ({{.*}}), PTX for sm_75 and later
// SM75:  gpu.loops
// ORIN:  machine code for sm_87
// ORIN:  gpu.matrix
// SM80:  machine code for sm_80
// SM80:  gpu.matrix
// SM90:  machine code for sm_90a ({{.*}}), PTX for sm_90a (
// SM90:  gpu.matrix
// SM120: machine code for sm_120a
// SM120: gpu.matrix
// SM88:  machine code for sm_88 ({{.*}}), PTX for sm_88 and later
// SM103: machine code for sm_103a ({{.*}}), PTX for sm_103a (
// THOR:  machine code for sm_110 ({{.*}}), PTX for sm_110 and later
// SM110: machine code for sm_110a
// SM121: machine code for sm_121a
// PTX:   NVIDIA GPU; PTX for sm_90 and later

// A stem from an image, a depthwise convolution, a residual, a product with a deep sum, a norm and a softmax.
module attributes {tenon.phase = "import", tenon.target = "native", tenon.model = "all"} {
  func.func @main(%image: tensor<1x3x32x32xf32> {nn.name = "image"}) -> (tensor<1x64xf32> {nn.name = "scores"}) {
    %w0 = nn.constant dense<0.1> : tensor<64x3x3x3xf32>
    %b0 = nn.constant dense<0.5> : tensor<64xf32>
    %0 = nn.conv %image, %w0 bias %b0 {strides = array<i64: 2, 2>, pads = array<i64: 1, 1, 1, 1>, dilations = array<i64: 1, 1>} : tensor<1x3x32x32xf32>, tensor<64x3x3x3xf32>, tensor<64xf32> -> tensor<1x64x16x16xf32>
    %1 = nn.silu %0 : tensor<1x64x16x16xf32> -> tensor<1x64x16x16xf32>
    %w1 = nn.constant dense<0.2> : tensor<64x1x3x3xf32>
    %2 = nn.conv %1, %w1 {strides = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>, dilations = array<i64: 1, 1>, groups = 64 : i64} : tensor<1x64x16x16xf32>, tensor<64x1x3x3xf32> -> tensor<1x64x16x16xf32>
    %w2 = nn.constant dense<0.3> : tensor<64x64x3x3xf32>
    %3 = nn.conv %2, %w2 {strides = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>, dilations = array<i64: 1, 1>} : tensor<1x64x16x16xf32>, tensor<64x64x3x3xf32> -> tensor<1x64x16x16xf32>
    %4 = nn.add %3, %1 : tensor<1x64x16x16xf32>, tensor<1x64x16x16xf32> -> tensor<1x64x16x16xf32>
    %5 = nn.reduce %4 {kind = #nn.reduce_kind<mean>, axes = array<i64: 2, 3>} : tensor<1x64x16x16xf32> -> tensor<1x64xf32>
    %w3 = nn.constant dense<0.01> : tensor<64x64xf32>
    %6 = nn.matmul %5, %w3 : tensor<1x64xf32>, tensor<64x64xf32> -> tensor<1x64xf32>
    %7 = nn.softmax %6 {axis = 1 : i64} : tensor<1x64xf32> -> tensor<1x64xf32>
    return %7 : tensor<1x64xf32>
  }
}
