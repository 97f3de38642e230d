// What ptxas reports of kernels that stay: no spills, and products that are not waited for one by one. A large batch of an image: its first convolution, a
// narrow one, a 1x1 one; attention of many rows.
// REQUIRES: ptxas
// RUN: rm -f %t.report
// RUN: env TENON_PTXAS=%S/Inputs/reporting-ptxas.sh PTXAS_REPORT=%t.report tenon compile %s --target cuda:sm_90a --precision fp16 -o %t.plan --quiet
// RUN: tenon inspect %t.plan | FileCheck %s --check-prefix=PLAN
// RUN: FileCheck %s --input-file=%t.report

// PLAN-DAG: gpu.stem {{.*}}together=2
// PLAN-DAG: resident=1
// PLAN-DAG: slots=1
// CHECK-NOT: serialized
// CHECK-NOT: {{[1-9][0-9]*}} bytes spill
// CHECK:     for 'sm_90a'
// CHECK-NOT: {{[1-9][0-9]*}} bytes spill
// CHECK-NOT: serialized

module attributes {tenon.phase = "import", tenon.target = "native", tenon.model = "images"} {
  func.func @main(%image: tensor<32x3x160x160xf32> {nn.name = "image"}, %tokens: tensor<72x4x64x64xf32> {nn.name = "tokens"}) -> (tensor<32x64x80x80xf32> {nn.name = "maps"}, tensor<72x4x64x64xf32> {nn.name = "mixed"}) {
    %w0 = nn.constant dense<0.1> : tensor<32x3x3x3xf32>
    %0 = nn.conv %image, %w0 {strides = array<i64: 2, 2>, pads = array<i64: 1, 1, 1, 1>, dilations = array<i64: 1, 1>} : tensor<32x3x160x160xf32>, tensor<32x3x3x3xf32> -> tensor<32x32x80x80xf32>
    %1 = nn.silu %0 : tensor<32x32x80x80xf32> -> tensor<32x32x80x80xf32>
    %w1 = nn.constant dense<0.2> : tensor<32x32x3x3xf32>
    %2 = nn.conv %1, %w1 {strides = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>, dilations = array<i64: 1, 1>} : tensor<32x32x80x80xf32>, tensor<32x32x3x3xf32> -> tensor<32x32x80x80xf32>
    %3 = nn.silu %2 : tensor<32x32x80x80xf32> -> tensor<32x32x80x80xf32>
    %4 = nn.add %3, %1 : tensor<32x32x80x80xf32>, tensor<32x32x80x80xf32> -> tensor<32x32x80x80xf32>
    %w2 = nn.constant dense<0.3> : tensor<64x32x1x1xf32>
    %5 = nn.conv %4, %w2 {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>} : tensor<32x32x80x80xf32>, tensor<64x32x1x1xf32> -> tensor<32x64x80x80xf32>
    %6 = nn.attention %tokens, %tokens, %tokens {scale = 0.125 : f64} : tensor<72x4x64x64xf32>, tensor<72x4x64x64xf32>, tensor<72x4x64x64xf32> -> tensor<72x4x64x64xf32>
    return %5, %6 : tensor<32x64x80x80xf32>, tensor<72x4x64x64xf32>
  }
}
