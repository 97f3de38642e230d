// A network in 8 bits as matrix units compute it: what ptxas reports for each generation, and which families there are.
// REQUIRES: ptxas
// RUN: rm -f %t.report
// RUN: env TENON_PTXAS=%S/Inputs/reporting-ptxas.sh PTXAS_REPORT=%t.report tenon compile %s --target cuda:sm_80 --precision fp16 -o %t.plan --quiet
// RUN: tenon inspect %t.plan | FileCheck %s --check-prefix=FAMILIES
// RUN: env TENON_PTXAS=%S/Inputs/reporting-ptxas.sh PTXAS_REPORT=%t.report tenon compile %s --target cuda:sm_90a --precision fp16 -o %t.plan --quiet
// RUN: tenon inspect %t.plan | FileCheck %s --check-prefix=FAMILIES
// RUN: env TENON_PTXAS=%S/Inputs/reporting-ptxas.sh PTXAS_REPORT=%t.report tenon compile %s --target cuda:sm_120a --precision fp16 -o %t.plan --quiet
// RUN: FileCheck %s --check-prefix=REPORT --input-file=%t.report
// RUN: tenon compile %s --target cuda:sm_90a -o %t.plan --quiet && tenon inspect %t.plan | FileCheck %s --check-prefix=FAMILIES
// RUN: tenon compile %s --target cuda:sm_75 --precision fp16 -o %t.plan --quiet && tenon inspect %t.plan | FileCheck %s --check-prefix=SM75

// FAMILIES-DAG: gpu.stem
// FAMILIES-DAG: gpu.pool
// FAMILIES-DAG: gpu.depthwise
// FAMILIES-DAG: gpu.matrix

// SM75:         machine code for sm_75
// SM75:         gpu.stem
// SM75:         gpu.matrix

// REPORT-NOT: serialized
// REPORT-NOT: {{[0-9][0-9][0-9]+}} bytes spill
// REPORT:     for 'sm_90a'
// REPORT-NOT: {{[0-9][0-9][0-9]+}} bytes spill
// REPORT:     for 'sm_120a'
// REPORT-NOT: {{[0-9][0-9][0-9]+}} bytes spill
// REPORT-NOT: serialized

// An image, a convolution with padding that is not 0, a maximum, a filter of single channels, a residual.
module attributes {tenon.phase = "import", tenon.target = "native", tenon.model = "bytes"} {
  func.func @main(%image: tensor<1x3x64x64xf32> {nn.name = "image"}) -> (tensor<1x64xf32> {nn.name = "scores"}) {
    %step = nn.constant dense<0.0078125> : tensor<f32>
    %a = nn.constant dense<0.001> : tensor<f32>
    %z0 = nn.constant dense<128> : tensor<i32>
    %z1 = nn.constant dense<10> : tensor<i32>
    %z3 = nn.constant dense<3.0> : tensor<f32>
    %w0 = nn.constant dense<3> : tensor<32x3x3x3xi32>
    %w1 = nn.constant dense<-5> : tensor<64x32x3x3xi32>
    %w2 = nn.constant dense<7> : tensor<64x1x3x3xi32>
    %w3 = nn.constant dense<2> : tensor<64x64x1x1xi32>

    %0 = nn.div %image, %step : tensor<1x3x64x64xf32>, tensor<f32> -> tensor<1x3x64x64xf32>
    %q0 = nn.quantize %0 {zero_point = 128 : i64, to = ui8} : tensor<1x3x64x64xf32> -> tensor<1x3x64x64xui8>
    %c0 = nn.cast %q0 {to = i32} : tensor<1x3x64x64xui8> -> tensor<1x3x64x64xi32>
    %x0 = nn.sub %c0, %z0 : tensor<1x3x64x64xi32>, tensor<i32> -> tensor<1x3x64x64xi32>
    %s0 = nn.conv %x0, %w0 {strides = array<i64: 2, 2>, pads = array<i64: 1, 1, 1, 1>, dilations = array<i64: 1, 1>} : tensor<1x3x64x64xi32>, tensor<32x3x3x3xi32> -> tensor<1x32x32x32xi32>
    %f0 = nn.cast %s0 {to = f32} : tensor<1x32x32x32xi32> -> tensor<1x32x32x32xf32>
    %y0 = nn.mul %f0, %a : tensor<1x32x32x32xf32>, tensor<f32> -> tensor<1x32x32x32xf32>
    %r0 = nn.silu %y0 : tensor<1x32x32x32xf32> -> tensor<1x32x32x32xf32>
    %q1 = nn.quantize %r0 {zero_point = 10 : i64, to = ui8} : tensor<1x32x32x32xf32> -> tensor<1x32x32x32xui8>

    %c1 = nn.cast %q1 {to = i32} : tensor<1x32x32x32xui8> -> tensor<1x32x32x32xi32>
    %x1 = nn.sub %c1, %z1 : tensor<1x32x32x32xi32>, tensor<i32> -> tensor<1x32x32x32xi32>
    %s1 = nn.conv %x1, %w1 {strides = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>, dilations = array<i64: 1, 1>} : tensor<1x32x32x32xi32>, tensor<64x32x3x3xi32> -> tensor<1x64x32x32xi32>
    %f1 = nn.cast %s1 {to = f32} : tensor<1x64x32x32xi32> -> tensor<1x64x32x32xf32>
    %y1 = nn.mul %f1, %a : tensor<1x64x32x32xf32>, tensor<f32> -> tensor<1x64x32x32xf32>
    %q2 = nn.quantize %y1 {zero_point = 3 : i64, to = ui8} : tensor<1x64x32x32xf32> -> tensor<1x64x32x32xui8>
    %p2 = nn.pool %q2 {kind = #nn.pool_kind<max>, window = array<i64: 2, 2>, strides = array<i64: 2, 2>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>} : tensor<1x64x32x32xui8> -> tensor<1x64x16x16xui8>

    %c2 = nn.cast %p2 {to = i32} : tensor<1x64x16x16xui8> -> tensor<1x64x16x16xi32>
    %z2 = nn.constant dense<3> : tensor<i32>
    %x2 = nn.sub %c2, %z2 : tensor<1x64x16x16xi32>, tensor<i32> -> tensor<1x64x16x16xi32>
    %s2 = nn.conv %x2, %w2 {strides = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>, dilations = array<i64: 1, 1>, groups = 64 : i64} : tensor<1x64x16x16xi32>, tensor<64x1x3x3xi32> -> tensor<1x64x16x16xi32>
    %f2 = nn.cast %s2 {to = f32} : tensor<1x64x16x16xi32> -> tensor<1x64x16x16xf32>
    %y2 = nn.mul %f2, %a : tensor<1x64x16x16xf32>, tensor<f32> -> tensor<1x64x16x16xf32>
    %q3 = nn.quantize %y2 {zero_point = 0 : i64, to = ui8} : tensor<1x64x16x16xf32> -> tensor<1x64x16x16xui8>

    %c3 = nn.cast %q3 {to = i32} : tensor<1x64x16x16xui8> -> tensor<1x64x16x16xi32>
    %s3 = nn.conv %c3, %w3 {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>} : tensor<1x64x16x16xi32>, tensor<64x64x1x1xi32> -> tensor<1x64x16x16xi32>
    %f3 = nn.cast %s3 {to = f32} : tensor<1x64x16x16xi32> -> tensor<1x64x16x16xf32>
    %y3 = nn.mul %f3, %a : tensor<1x64x16x16xf32>, tensor<f32> -> tensor<1x64x16x16xf32>
    %d2 = nn.cast %p2 {to = f32} : tensor<1x64x16x16xui8> -> tensor<1x64x16x16xf32>
    %e2 = nn.sub %d2, %z3 : tensor<1x64x16x16xf32>, tensor<f32> -> tensor<1x64x16x16xf32>
    %g3 = nn.add %y3, %e2 : tensor<1x64x16x16xf32>, tensor<1x64x16x16xf32> -> tensor<1x64x16x16xf32>
    %q4 = nn.quantize %g3 {zero_point = 0 : i64, to = ui8} : tensor<1x64x16x16xf32> -> tensor<1x64x16x16xui8>
    %d4 = nn.cast %q4 {to = f32} : tensor<1x64x16x16xui8> -> tensor<1x64x16x16xf32>
    %m = nn.reduce %d4 {kind = #nn.reduce_kind<mean>, axes = array<i64: 2, 3>} : tensor<1x64x16x16xf32> -> tensor<1x64xf32>
    return %m : tensor<1x64xf32>
  }
}
