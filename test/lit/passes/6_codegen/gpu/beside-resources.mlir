// Two convolutions of one input that are computed beside each other: what ptxas reports of the kernel that has both.
// REQUIRES: ptxas
// RUN: rm -f %t.report
// RUN: env TENON_PTXAS=%S/Inputs/reporting-ptxas.sh PTXAS_REPORT=%t.report tenon compile %s --target cuda:sm_90a --precision fp16 -o %t.plan --quiet
// RUN: tenon inspect %t.plan | FileCheck %s
// RUN: FileCheck %s --check-prefix=REPORT --input-file=%t.report

// CHECK: Steps
// CHECK: conv_silu_2$conv_relu_3
// CHECK-NEXT: conv_add_4

// REPORT-NOT: serialized
// REPORT-NOT: {{[1-9][0-9]*}} bytes spill
// REPORT:     Compiling entry function '{{[a-z_0-9]+\$[a-z_0-9]+}}' for 'sm_90a'
// REPORT:     Used {{[0-9][0-9]}} registers
// REPORT-NOT: serialized
// REPORT-NOT: {{[1-9][0-9]*}} bytes spill
module attributes {tenon.phase = "import", tenon.target = "native", tenon.model = "branches"} {
  func.func @main(%image: tensor<1x64x20x20xf32> {nn.name = "image"}) -> (tensor<1x64x20x20xf32> {nn.name = "sum"}) {
    %w0 = nn.constant dense<0.1> : tensor<64x64x3x3xf32>
    %0 = nn.conv %image, %w0 {strides = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>, dilations = array<i64: 1, 1>} : tensor<1x64x20x20xf32>, tensor<64x64x3x3xf32> -> tensor<1x64x20x20xf32>
    %1 = nn.silu %0 : tensor<1x64x20x20xf32> -> tensor<1x64x20x20xf32>
    %w1 = nn.constant dense<0.2> : tensor<80x64x5x5xf32>
    %2 = nn.conv %image, %w1 {strides = array<i64: 1, 1>, pads = array<i64: 2, 2, 2, 2>, dilations = array<i64: 1, 1>} : tensor<1x64x20x20xf32>, tensor<80x64x5x5xf32> -> tensor<1x80x20x20xf32>
    %3 = nn.relu %2 : tensor<1x80x20x20xf32> -> tensor<1x80x20x20xf32>
    %w2 = nn.constant dense<0.3> : tensor<64x80x1x1xf32>
    %4 = nn.conv %3, %w2 {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>} : tensor<1x80x20x20xf32>, tensor<64x80x1x1xf32> -> tensor<1x64x20x20xf32>
    %5 = nn.add %4, %1 : tensor<1x64x20x20xf32>, tensor<1x64x20x20xf32> -> tensor<1x64x20x20xf32>
    return %5 : tensor<1x64x20x20xf32>
  }
}
