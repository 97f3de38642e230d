// What ptxas reports of the matrix family's kernels: no spills but for a few words.
// REQUIRES: ptxas
// RUN: rm -f %t.report
// RUN: env TENON_PTXAS=%S/Inputs/reporting-ptxas.sh PTXAS_REPORT=%t.report tenon compile %s --target cuda:sm_90 --precision fp16 -o %t.plan --quiet
// RUN: FileCheck %s < %t.report
// RUN: rm -f %t.report
// RUN: env TENON_PTXAS=%S/Inputs/reporting-ptxas.sh PTXAS_REPORT=%t.report tenon compile %s --target cuda:sm_90a --precision fp16 -o %t.plan --quiet
// RUN: tenon inspect %t.plan | FileCheck %s --check-prefix=GROUPS
// RUN: FileCheck %s --check-prefix=REPORT --input-file=%t.report

// CHECK-NOT: {{[0-9][0-9][0-9]+}} bytes spill
// CHECK:     Compiling entry function 'conv_silu_2' for 'sm_90'
// CHECK-NOT: {{[0-9][0-9][0-9]+}} bytes spill

// Groups of warps on sm_90a: their sums stay in registers from one product to the next, or ptxas would say that it serializes them.
// GROUPS:     groups=1
// REPORT-NOT: serialized
// REPORT-NOT: {{[0-9][0-9][0-9]+}} bytes spill
// REPORT:     for 'sm_90a'
// REPORT-NOT: {{[0-9][0-9][0-9]+}} bytes spill
// REPORT-NOT: serialized

// A deep convolution, a wide one, a product and a stem.
module attributes {tenon.phase = "import", tenon.target = "native", tenon.model = "products"} {
  func.func @main(%image: tensor<1x3x64x64xf32> {nn.name = "image"}) -> (tensor<1x512xf32> {nn.name = "scores"}) {
    %w0 = nn.constant dense<0.1> : tensor<64x3x7x7xf32>
    %0 = nn.conv %image, %w0 {strides = array<i64: 2, 2>, pads = array<i64: 3, 3, 3, 3>, dilations = array<i64: 1, 1>} : tensor<1x3x64x64xf32>, tensor<64x3x7x7xf32> -> tensor<1x64x32x32xf32>
    %w1 = nn.constant dense<0.2> : tensor<256x64x1x1xf32>
    %1 = nn.conv %0, %w1 {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>} : tensor<1x64x32x32xf32>, tensor<256x64x1x1xf32> -> tensor<1x256x32x32xf32>
    %2 = nn.relu %1 : tensor<1x256x32x32xf32> -> tensor<1x256x32x32xf32>
    %w2 = nn.constant dense<0.3> : tensor<512x256x3x3xf32>
    %3 = nn.conv %2, %w2 {strides = array<i64: 2, 2>, pads = array<i64: 1, 1, 1, 1>, dilations = array<i64: 1, 1>} : tensor<1x256x32x32xf32>, tensor<512x256x3x3xf32> -> tensor<1x512x16x16xf32>
    %4 = nn.silu %3 : tensor<1x512x16x16xf32> -> tensor<1x512x16x16xf32>
    %5 = nn.reduce %4 {kind = #nn.reduce_kind<mean>, axes = array<i64: 2, 3>} : tensor<1x512x16x16xf32> -> tensor<1x512xf32>
    %w3 = nn.constant dense<0.01> : tensor<512x512xf32>
    %6 = nn.matmul %5, %w3 : tensor<1x512xf32>, tensor<512x512xf32> -> tensor<1x512xf32>
    return %6 : tensor<1x512xf32>
  }
}
