// RUN: tenon-opt %s --nn-lower-precision=to=f16 | FileCheck %s
// RUN: tenon-opt %s --nn-lower-precision=to=tf32 | FileCheck %s --check-prefix=TF32

// Between bytes nothing is rounded: sums are scaled, joined with a residual and quantized in f32. What is only scaled is a half from there on.
// CHECK-LABEL: func.func @bytes
// CHECK:         nn.cast %{{.*}} {to = f32} : tensor<1x4x4x8xi32> -> tensor<1x4x4x8xf32>
// CHECK:         nn.mul %{{.*}} : tensor<1x4x4x8xf32>, tensor<8xf32> -> tensor<1x4x4x8xf32>
// CHECK:         nn.silu %{{.*}} : tensor<1x4x4x8xf32>
// CHECK:         nn.quantize %{{.*}} : tensor<1x4x4x8xf32>
// CHECK:         %[[SCALED:.*]] = nn.mul %{{.*}} : tensor<1x4x4x8xf32>, tensor<f32> -> tensor<1x4x4x8xf32>
// CHECK:         %[[HALF:.*]] = nn.cast %[[SCALED]] {to = f16}
// CHECK:         nn.reduce %[[HALF]] {{.*}} -> tensor<1x8xf16>
func.func @bytes(%x: tensor<1x4x4x8xf32>) -> (tensor<1x4x4x8xui8>, tensor<1x8xf32>) {
  %w = nn.constant dense<1> : tensor<8x8x1x1xi8>
  %a = nn.constant dense<0.01> : tensor<8xf32>
  %s = nn.constant dense<0.5> : tensor<f32>
  %q = nn.quantize %x {zero_point = 0 : i64, to = ui8} : tensor<1x4x4x8xf32> -> tensor<1x4x4x8xui8>
  %0 = nn.conv %q, %w {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, layout = #nn.layout<channels_last>} : tensor<1x4x4x8xui8>, tensor<8x8x1x1xi8> -> tensor<1x4x4x8xi32>
  %1 = nn.cast %0 {to = f32} : tensor<1x4x4x8xi32> -> tensor<1x4x4x8xf32>
  %2 = nn.mul %1, %a : tensor<1x4x4x8xf32>, tensor<8xf32> -> tensor<1x4x4x8xf32>
  %3 = nn.silu %2 : tensor<1x4x4x8xf32> -> tensor<1x4x4x8xf32>
  %4 = nn.quantize %3 {zero_point = 3 : i64, to = ui8} : tensor<1x4x4x8xf32> -> tensor<1x4x4x8xui8>
  %5 = nn.cast %4 {to = f32} : tensor<1x4x4x8xui8> -> tensor<1x4x4x8xf32>
  %6 = nn.mul %5, %s : tensor<1x4x4x8xf32>, tensor<f32> -> tensor<1x4x4x8xf32>
  %7 = nn.reduce %6 {kind = #nn.reduce_kind<mean>, axes = array<i64: 1, 2>} : tensor<1x4x4x8xf32> -> tensor<1x8xf32>
  return %4, %7 : tensor<1x4x4x8xui8>, tensor<1x8xf32>
}

// Means, maxima and softmaxes between bytes are f32 as well: a rounding would make other bytes. Behind the last bytes they are halves.
// CHECK-LABEL: func.func @between
// CHECK:         nn.reduce %{{.*}} : tensor<1x4x4x8xf32> -> tensor<1x8xf32>
// CHECK:         nn.softmax %{{.*}} : tensor<1x8xf32>
// CHECK:         nn.quantize %{{.*}} : tensor<1x8xf32>
// CHECK:         nn.softmax %{{.*}} : tensor<1x8xf16>
func.func @between(%x: tensor<1x4x4x8xf32>) -> (tensor<1x8xui8>, tensor<1x8xf32>) {
  %s = nn.constant dense<0.5> : tensor<f32>
  %q = nn.quantize %x {zero_point = 0 : i64, to = ui8} : tensor<1x4x4x8xf32> -> tensor<1x4x4x8xui8>
  %0 = nn.cast %q {to = f32} : tensor<1x4x4x8xui8> -> tensor<1x4x4x8xf32>
  %1 = nn.reduce %0 {kind = #nn.reduce_kind<mean>, axes = array<i64: 1, 2>} : tensor<1x4x4x8xf32> -> tensor<1x8xf32>
  %2 = nn.softmax %1 {axis = 1 : i64} : tensor<1x8xf32> -> tensor<1x8xf32>
  %3 = nn.quantize %2 {zero_point = 0 : i64, to = ui8} : tensor<1x8xf32> -> tensor<1x8xui8>
  %4 = nn.cast %3 {to = f32} : tensor<1x8xui8> -> tensor<1x8xf32>
  %5 = nn.mul %4, %s : tensor<1x8xf32>, tensor<f32> -> tensor<1x8xf32>
  %6 = nn.softmax %5 {axis = 1 : i64} : tensor<1x8xf32> -> tensor<1x8xf32>
  return %3, %6 : tensor<1x8xui8>, tensor<1x8xf32>
}

// A bias of integers stays whole behind a reshape, which is of constants alone: 7247 is no half.
// CHECK-LABEL: func.func @whole
// CHECK:         nn.reshape %{{.*}} : tensor<8xf32> -> tensor<1x1x1x8xf32>
// CHECK-NOT:     f16
// CHECK:         return
func.func @whole(%x: tensor<1x4x4x8xf32>) -> tensor<1x4x4x8xui8> {
  %b = nn.constant dense<[7247.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]> : tensor<8xf32>
  %q = nn.quantize %x {zero_point = 0 : i64, to = ui8} : tensor<1x4x4x8xf32> -> tensor<1x4x4x8xui8>
  %0 = nn.cast %q {to = f32} : tensor<1x4x4x8xui8> -> tensor<1x4x4x8xf32>
  %1 = nn.reshape %b {dims = #nn.dims<[1, 1, 1, 8]>} : tensor<8xf32> -> tensor<1x1x1x8xf32>
  %2 = nn.add %0, %1 : tensor<1x4x4x8xf32>, tensor<1x1x1x8xf32> -> tensor<1x4x4x8xf32>
  %3 = nn.quantize %2 {zero_point = 0 : i64, to = ui8} : tensor<1x4x4x8xf32> -> tensor<1x4x4x8xui8>
  return %3 : tensor<1x4x4x8xui8>
}

// Narrow layers around a bias of 16 and more are f32, up to a convolution of many terms; around a smaller one they are halves.
// CHECK-LABEL: func.func @narrow
// CHECK:         nn.conv %{{.*}} : tensor<1x4x4x16xf32>, tensor<16x16x1x1xf32> -> tensor<1x4x4x16xf32>
// CHECK:         nn.silu %{{.*}} : tensor<1x4x4x16xf32>
// CHECK:         nn.conv %{{.*}} : tensor<1x4x4x16xf32>, tensor<16x16x1x1xf32>, tensor<16xf32> -> tensor<1x4x4x16xf32>
// CHECK:         nn.relu %{{.*}} : tensor<1x4x4x16xf32>
// CHECK:         nn.conv %{{.*}} : tensor<1x4x4x16xf16>, tensor<16x16x5x5xf16> -> tensor<1x4x4x16xf16>
// CHECK:         nn.conv %{{.*}} : tensor<1x4x4x16xf16>, tensor<16x16x1x1xf16>, tensor<16xf32> -> tensor<1x4x4x16xf16>
func.func @narrow(%x: tensor<1x4x4x16xf32>, %y: tensor<1x4x4x16xf32>) -> (tensor<1x4x4x16xf32>, tensor<1x4x4x16xf32>) {
  %w = nn.constant dense<0.1> : tensor<16x16x1x1xf32>
  %wide = nn.constant dense<0.1> : tensor<16x16x5x5xf32>
  %large = nn.constant dense<-16.0> : tensor<16xf32>
  %small = nn.constant dense<15.0> : tensor<16xf32>
  %0 = nn.conv %x, %w {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, layout = #nn.layout<channels_last>} : tensor<1x4x4x16xf32>, tensor<16x16x1x1xf32> -> tensor<1x4x4x16xf32>
  %1 = nn.silu %0 : tensor<1x4x4x16xf32> -> tensor<1x4x4x16xf32>
  %2 = nn.conv %1, %w bias %large {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, layout = #nn.layout<channels_last>} : tensor<1x4x4x16xf32>, tensor<16x16x1x1xf32>, tensor<16xf32> -> tensor<1x4x4x16xf32>
  %3 = nn.relu %2 : tensor<1x4x4x16xf32> -> tensor<1x4x4x16xf32>
  %4 = nn.conv %3, %wide {strides = array<i64: 1, 1>, pads = array<i64: 2, 2, 2, 2>, dilations = array<i64: 1, 1>, layout = #nn.layout<channels_last>} : tensor<1x4x4x16xf32>, tensor<16x16x5x5xf32> -> tensor<1x4x4x16xf32>
  %5 = nn.conv %y, %w bias %small {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, layout = #nn.layout<channels_last>} : tensor<1x4x4x16xf32>, tensor<16x16x1x1xf32>, tensor<16xf32> -> tensor<1x4x4x16xf32>
  return %4, %5 : tensor<1x4x4x16xf32>, tensor<1x4x4x16xf32>
}

// Filters that read bytes less their zero point are exact in f32; networks without bytes have halves throughout.
// CHECK-LABEL: func.func @filter
// CHECK:         nn.conv %{{.*}} : tensor<1x4x4x8xf32>, tensor<8x1x3x3xf32> -> tensor<1x4x4x8xf32>
// CHECK:         nn.add %{{.*}} : tensor<1x4x4x8xf16>, tensor<1x4x4x8xf16>
func.func @filter(%x: tensor<1x4x4x8xf32>, %y: tensor<1x4x4x8xf32>) -> (tensor<1x4x4x8xf32>, tensor<1x4x4x8xf32>) {
  %w = nn.constant dense<3.0> : tensor<8x1x3x3xf32>
  %z = nn.constant dense<7.0> : tensor<f32>
  %q = nn.quantize %x {zero_point = 7 : i64, to = ui8} : tensor<1x4x4x8xf32> -> tensor<1x4x4x8xui8>
  %0 = nn.cast %q {to = f32} : tensor<1x4x4x8xui8> -> tensor<1x4x4x8xf32>
  %1 = nn.sub %0, %z : tensor<1x4x4x8xf32>, tensor<f32> -> tensor<1x4x4x8xf32>
  %2 = nn.conv %1, %w {strides = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>, dilations = array<i64: 1, 1>, groups = 8 : i64, layout = #nn.layout<channels_last>} : tensor<1x4x4x8xf32>, tensor<8x1x3x3xf32> -> tensor<1x4x4x8xf32>
  %3 = nn.add %x, %y : tensor<1x4x4x8xf32>, tensor<1x4x4x8xf32> -> tensor<1x4x4x8xf32>
  return %2, %3 : tensor<1x4x4x8xf32>, tensor<1x4x4x8xf32>
}

// Biases stay f32, as the sums are to which they are added; and a filter is rounded so that it keeps the sum of its taps: of eight like ones that lie
// between two halves some become the one and some the other.
// CHECK-LABEL: func.func @biased
// CHECK:         nn.constant dense<{{.*}}1.000000e+00, 1.00097656, 1.000000e+00{{.*}}0.500488281
// CHECK:         nn.conv %{{.*}}, %{{.*}} bias %{{.*}} : tensor<1x4x4x1xf16>, tensor<1x1x3x3xf16>, tensor<1xf32> -> tensor<1x4x4x1xf16>
func.func @biased(%x: tensor<1x4x4x1xf32>) -> tensor<1x4x4x1xf32> {
  %w = nn.constant dense<[[[[1.0003, 1.0003, 1.0003], [1.0003, 1.0003, 1.0003], [1.0003, 1.0003, 0.5]]]]> : tensor<1x1x3x3xf32>
  %b = nn.constant dense<10.003> : tensor<1xf32>
  %0 = nn.conv %x, %w bias %b {strides = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>, dilations = array<i64: 1, 1>, layout = #nn.layout<channels_last>} : tensor<1x4x4x1xf32>, tensor<1x1x3x3xf32>, tensor<1xf32> -> tensor<1x4x4x1xf32>
  return %0 : tensor<1x4x4x1xf32>
}

// What leads linearly to a logarithm is f32, up to the activation before it.
// CHECK-LABEL: func.func @spectrum
// CHECK:         nn.relu %{{.*}} : tensor<1x16xf16>
// CHECK:         nn.matmul %{{.*}} : tensor<1x16xf32>, tensor<16x8xf32> -> tensor<1x8xf32>
// CHECK:         nn.mul %{{.*}} : tensor<1x8xf32>, tensor<1x8xf32>
// CHECK:         nn.log %{{.*}} : tensor<1x8xf32>
// CHECK:         nn.tanh %{{.*}} : tensor<1x8xf16>
func.func @spectrum(%x: tensor<1x16xf32>, %w: tensor<16x8xf32>) -> tensor<1x8xf32> {
  %0 = nn.relu %x : tensor<1x16xf32> -> tensor<1x16xf32>
  %1 = nn.matmul %0, %w : tensor<1x16xf32>, tensor<16x8xf32> -> tensor<1x8xf32>
  %2 = nn.mul %1, %1 : tensor<1x8xf32>, tensor<1x8xf32> -> tensor<1x8xf32>
  %3 = nn.log %2 : tensor<1x8xf32> -> tensor<1x8xf32>
  %4 = nn.tanh %3 : tensor<1x8xf32> -> tensor<1x8xf32>
  return %4 : tensor<1x8xf32>
}

// As tf32 tensors stay f32, and so do products that lead to a logarithm, or of one channel each.
// TF32-LABEL: func.func @filter
// TF32-NOT:     kernel.tf32
// TF32-LABEL: func.func @biased
// TF32:         nn.conv {{.*}}kernel.tf32
// TF32-LABEL: func.func @spectrum
// TF32-NOT:     kernel.tf32
// Of two numbers with ten bits behind the point and more, weights keep ten bits: 1.0003 becomes 1 + 1/1024 with what is added for the other factor, 1 stays.
// TF32-LABEL: func.func @shortened
// TF32:         nn.constant dense<{{\[\[}}1.000000e+00, 1.00097656], [-0.500488281, 0.000000e+00]]>
// TF32:         nn.matmul {{.*}} {kernel.tf32
// TF32:         nn.attention {{.*}}kernel.tf32
func.func @shortened(%x: tensor<4x2xf32>, %q: tensor<1x2x4x8xf32>) -> (tensor<4x2xf32>, tensor<1x2x4x8xf32>) {
  %w = nn.constant dense<[[1.0, 1.0003], [-0.5003, 0.0]]> : tensor<2x2xf32>
  %0 = nn.matmul %x, %w : tensor<4x2xf32>, tensor<2x2xf32> -> tensor<4x2xf32>
  %1 = nn.attention %q, %q, %q {scale = 0.5 : f64} : tensor<1x2x4x8xf32>, tensor<1x2x4x8xf32>, tensor<1x2x4x8xf32> -> tensor<1x2x4x8xf32>
  return %0, %1 : tensor<4x2xf32>, tensor<1x2x4x8xf32>
}

// Filters keep their sums, with what is added: of two taps of 1 and one of 0.5, which would all stay what they are, one becomes 1 + 1/1024. What is no number is
// left alone, and each of the others is rounded then. Pruned taps stay 0.
// TF32-LABEL: func.func @shortened_filters
// TF32:         %[[W:.*]] = nn.constant dense<{{\[\[\[\[}}1.000000e+00, 1.00097656, 5.000000e-01, 0.000000e+00]]]]>
// TF32:         nn.conv %{{.*}}, %[[W]] {{.*}}kernel.tf32
// TF32:         %[[OPEN:.*]] = nn.constant dense<{{\[\[\[\[}}1.000000e+00, 1.000000e+00, 5.000000e-01, 0x7F800000]]]]>
// TF32:         nn.conv %{{.*}}, %[[OPEN]] {{.*}}kernel.tf32
func.func @shortened_filters(%x: tensor<1x1x8x1xf32>) -> (tensor<1x1x5x1xf32>, tensor<1x1x5x1xf32>) {
  %w = nn.constant dense<[[[[1.0, 1.0, 0.5, 0.0]]]]> : tensor<1x1x1x4xf32>
  %v = nn.constant dense<[[[[1.0, 1.0, 0.5, 0x7F800000]]]]> : tensor<1x1x1x4xf32>
  %0 = nn.conv %x, %w {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, layout = #nn.layout<channels_last>} : tensor<1x1x8x1xf32>, tensor<1x1x1x4xf32> -> tensor<1x1x5x1xf32>
  %1 = nn.conv %x, %v {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, layout = #nn.layout<channels_last>} : tensor<1x1x8x1xf32>, tensor<1x1x1x4xf32> -> tensor<1x1x5x1xf32>
  return %0, %1 : tensor<1x1x5x1xf32>, tensor<1x1x5x1xf32>
}

// What passes into branches and out of them is f32, and so is what decides: a count of 2049 is no half.
// CHECK-LABEL: func.func @branch
// CHECK:         %[[COUNT:.*]] = nn.mul %{{.*}} : tensor<f32>, tensor<f32> -> tensor<f32>
// CHECK:         nn.cast %[[COUNT]] {to = i64}
// CHECK:         %[[SUM:.*]] = nn.add %{{.*}} : tensor<256x4xf16>, tensor<256x4xf16> -> tensor<256x4xf16>
// CHECK:         %[[WIDE:.*]] = nn.cast %[[SUM]] {to = f32}
// CHECK:         %[[MADE:.*]] = nn.if %{{.*}} then @then(%[[WIDE]]) else @otherwise(%{{.*}}) : (tensor<i1>, tensor<256x4xf32>, tensor<256x4xf32>) -> tensor<256x4xf32>
// CHECK:         %[[NARROW:.*]] = nn.cast %[[MADE]] {to = f16}
// CHECK:         nn.add %[[NARROW]], %{{.*}} : tensor<256x4xf16>
func.func @branch(%x: tensor<256x4xf32>, %n: tensor<f32>, %limit: tensor<i64>) -> tensor<256x4xf32> {
  %factor = nn.constant dense<3.0> : tensor<f32>
  %0 = nn.mul %n, %factor : tensor<f32>, tensor<f32> -> tensor<f32>
  %1 = nn.cast %0 {to = i64} : tensor<f32> -> tensor<i64>
  %2 = nn.less %1, %limit : tensor<i64>, tensor<i64> -> tensor<i1>
  %3 = nn.add %x, %x : tensor<256x4xf32>, tensor<256x4xf32> -> tensor<256x4xf32>
  %4 = nn.if %2 then @then(%3) else @otherwise(%3) : (tensor<i1>, tensor<256x4xf32>, tensor<256x4xf32>) -> tensor<256x4xf32>
  %5 = nn.add %4, %x : tensor<256x4xf32>, tensor<256x4xf32> -> tensor<256x4xf32>
  return %5 : tensor<256x4xf32>
}
func.func private @then(%x: tensor<256x4xf32>) -> tensor<256x4xf32> {
  %0 = nn.exp %x : tensor<256x4xf32> -> tensor<256x4xf32>
  return %0 : tensor<256x4xf32>
}
func.func private @otherwise(%x: tensor<256x4xf32>) -> tensor<256x4xf32> {
  return %x : tensor<256x4xf32>
}
