// Squeeze-and-excitation behind a depthwise convolution, from the graph to what ptxas makes of it: one kernel where the gate family is, whose mean comes from
// the sums of the convolution's; elsewhere, and in f32, which a network this small is in bf16 too, a mean of those sums and products.
// REQUIRES: ptxas
// RUN: rm -f %t.report
// RUN: env TENON_PTXAS=%S/Inputs/reporting-ptxas.sh PTXAS_REPORT=%t.report tenon compile %s --target cuda:sm_90a --precision fp16 -o %t.plan --quiet
// RUN: tenon inspect %t.plan | FileCheck %s --check-prefix=ONE
// RUN: FileCheck %s --check-prefix=REPORT --input-file=%t.report
// RUN: tenon compile %s --target cuda:sm_90a --precision bf16 -o %t.plan --quiet && tenon inspect %t.plan | FileCheck %s --check-prefix=APART
// RUN: tenon compile %s --target cuda:sm_90 --precision fp32 -o %t.plan --quiet && tenon inspect %t.plan | FileCheck %s --check-prefix=APART
// RUN: tenon compile %s --target cuda:sm_75 --precision fp16 -o %t.plan --quiet && tenon inspect %t.plan | FileCheck %s --check-prefix=APART
// RUN: tenon compile %s --target cuda:sm_80 --precision bf16 -o %t.plan --quiet && tenon inspect %t.plan | FileCheck %s --check-prefix=APART
// RUN: tenon compile %s --target cuda:sm_120a --precision fp16 -o %t.plan --quiet && tenon inspect %t.plan | FileCheck %s --check-prefix=APART

// ONE:       conv_silu_cast_reduce_3 gpu.depthwise {{.*}}groups=
// ONE-NEXT:  reduce_mul_cast_conv_4 gpu.gate
// ONE-NEXT:  mul_conv_5 gpu.matrix
// ONE-NEXT:  cast_6

// REPORT-NOT: {{[1-9][0-9]*}} bytes spill
// REPORT:     Compiling entry function 'reduce_mul_cast_conv_4'
// REPORT-NOT: {{[1-9][0-9]*}} bytes spill

// APART:      conv_silu{{.*}}reduce_{{[0-9]}} gpu.depthwise {{.*}}groups=
// APART-NEXT: reduce_mul
// APART-NEXT: conv_silu_{{[0-9]}} gpu.matrix
// APART-NEXT: conv_sigmoid_{{[0-9]}} gpu.matrix
module attributes {tenon.phase = "import", tenon.target = "native", tenon.model = "block"} {
  func.func @main(%x: tensor<2x96x14x14xf32> {nn.name = "x"}) -> (tensor<2x24x14x14xf32> {nn.name = "y"}) {
    %w0 = nn.constant dense<0.1> : tensor<96x1x3x3xf32>
    %w1 = nn.constant dense<0.2> : tensor<8x96x1x1xf32>
    %b1 = nn.constant dense<[0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8]> : tensor<8xf32>
    %w2 = nn.constant dense<0.3> : tensor<96x8x1x1xf32>
    %w3 = nn.constant dense<0.4> : tensor<24x96x1x1xf32>
    %w = nn.constant dense<0.05> : tensor<96x96x1x1xf32>
    %0 = nn.conv %x, %w {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>} : tensor<2x96x14x14xf32>, tensor<96x96x1x1xf32> -> tensor<2x96x14x14xf32>
    %1 = nn.conv %0, %w0 {strides = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>, dilations = array<i64: 1, 1>, groups = 96 : i64} : tensor<2x96x14x14xf32>, tensor<96x1x3x3xf32> -> tensor<2x96x14x14xf32>
    %2 = nn.silu %1 : tensor<2x96x14x14xf32> -> tensor<2x96x14x14xf32>
    %3 = nn.reduce %2 {kind = #nn.reduce_kind<mean>, axes = array<i64: 2, 3>, keep_dims} : tensor<2x96x14x14xf32> -> tensor<2x96x1x1xf32>
    %4 = nn.conv %3, %w1 bias %b1 {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>} : tensor<2x96x1x1xf32>, tensor<8x96x1x1xf32>, tensor<8xf32> -> tensor<2x8x1x1xf32>
    %5 = nn.silu %4 : tensor<2x8x1x1xf32> -> tensor<2x8x1x1xf32>
    %6 = nn.conv %5, %w2 {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>} : tensor<2x8x1x1xf32>, tensor<96x8x1x1xf32> -> tensor<2x96x1x1xf32>
    %7 = nn.sigmoid %6 : tensor<2x96x1x1xf32> -> tensor<2x96x1x1xf32>
    %8 = nn.mul %2, %7 : tensor<2x96x14x14xf32>, tensor<2x96x1x1xf32> -> tensor<2x96x14x14xf32>
    %9 = nn.conv %8, %w3 {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>} : tensor<2x96x14x14xf32>, tensor<24x96x1x1xf32> -> tensor<2x24x14x14xf32>
    return %9 : tensor<2x24x14x14xf32>
  }
}
