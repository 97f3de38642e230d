// RUN: tenon-opt %s --kernel-form-groups=gates=true | FileCheck %s
// RUN: tenon-opt %s --kernel-form-groups | FileCheck %s --check-prefix=APART

// Two products of one row with an activation between them are one group where a family computes that, else two.
// CHECK-LABEL: func.func @gate
// CHECK:         nn.conv {{.*}}kernel.group = 1
// CHECK:         nn.silu {{.*}}kernel.group = 1
// CHECK:         nn.conv {{.*}}kernel.group = 1
// CHECK:         nn.sigmoid {{.*}}kernel.group = 1
// APART-LABEL: func.func @gate
// APART:         nn.silu {{.*}}kernel.group = 0
// APART:         nn.sigmoid {{.*}}kernel.group = 1
func.func @gate(%x: tensor<1x1x1x480xf16>) -> tensor<1x1x1x480xf16> {
  %w0 = nn.constant dense<1.0> : tensor<20x480x1x1xf16>
  %w1 = nn.constant dense<2.0> : tensor<480x20x1x1xf16>
  %0 = nn.conv %x, %w0 {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, layout = #nn.layout<channels_last>} : tensor<1x1x1x480xf16>, tensor<20x480x1x1xf16> -> tensor<1x1x1x20xf16>
  %1 = nn.silu %0 : tensor<1x1x1x20xf16> -> tensor<1x1x1x20xf16>
  %2 = nn.conv %1, %w1 {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, layout = #nn.layout<channels_last>} : tensor<1x1x1x20xf16>, tensor<480x20x1x1xf16> -> tensor<1x1x1x480xf16>
  %3 = nn.sigmoid %2 : tensor<1x1x1x480xf16> -> tensor<1x1x1x480xf16>
  return %3 : tensor<1x1x1x480xf16>
}

// A result that something else reads too stays a product of its own.
// CHECK-LABEL: func.func @shared
// CHECK:         nn.silu {{.*}}kernel.group = 0
// CHECK:         nn.sigmoid {{.*}}kernel.group = 1
func.func @shared(%x: tensor<1x1x1x480xf16>) -> (tensor<1x1x1x480xf16>, tensor<1x1x1x20xf16>) {
  %w0 = nn.constant dense<1.0> : tensor<20x480x1x1xf16>
  %w1 = nn.constant dense<2.0> : tensor<480x20x1x1xf16>
  %0 = nn.conv %x, %w0 {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, layout = #nn.layout<channels_last>} : tensor<1x1x1x480xf16>, tensor<20x480x1x1xf16> -> tensor<1x1x1x20xf16>
  %1 = nn.silu %0 : tensor<1x1x1x20xf16> -> tensor<1x1x1x20xf16>
  %2 = nn.conv %1, %w1 {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, layout = #nn.layout<channels_last>} : tensor<1x1x1x20xf16>, tensor<480x20x1x1xf16> -> tensor<1x1x1x480xf16>
  %3 = nn.sigmoid %2 : tensor<1x1x1x480xf16> -> tensor<1x1x1x480xf16>
  return %3, %1 : tensor<1x1x1x480xf16>, tensor<1x1x1x20xf16>
}

// Where the kernel of a depthwise convolution gives sums of rows, the gate begins with them: the mean is no kernel, of many images neither.
// CHECK-LABEL: func.func @squeeze
// CHECK:         nn.conv {{.*}}groups = 480 {{.*}}kernel.group = 0
// CHECK:         nn.cast {{.*}}kernel.group = 0
// CHECK:         nn.reduce {{.*}}kernel.group = 0 {{.*}}kernel.row_sums
// CHECK:         nn.reduce {{.*}}kernel.group = [[GATE:[0-9]+]]
// CHECK:         nn.mul {{.*}}kernel.group = [[GATE]]
// CHECK:         nn.cast {{.*}}kernel.group = [[GATE]]
// CHECK:         nn.conv {{.*}}kernel.group = [[GATE]]
// CHECK:         nn.silu {{.*}}kernel.group = [[GATE]]
// CHECK:         nn.conv {{.*}}kernel.group = [[GATE]]
// CHECK:         nn.sigmoid {{.*}}kernel.group = [[GATE]]
// APART-LABEL: func.func @squeeze
// APART:         nn.conv {{.*}}groups = 480 {{.*}}kernel.group = 0
// APART:         nn.reduce {{.*}}kernel.group = 0 {{.*}}kernel.row_sums
// APART:         nn.cast {{.*}}kernel.group = 1 {{.*}}to = f16
// APART:         nn.silu {{.*}}kernel.group = 2
// APART:         nn.sigmoid {{.*}}kernel.group = 3
func.func @squeeze(%x: tensor<32x14x14x480xf16>) -> (tensor<32x14x14x480xf16>, tensor<32x1x1x480xf16>) {
  %filter = nn.constant dense<1.0> : tensor<480x1x3x3xf16>
  %w0 = nn.constant dense<1.0> : tensor<20x480x1x1xf16>
  %w1 = nn.constant dense<2.0> : tensor<480x20x1x1xf16>
  %factor = nn.constant dense<0.25> : tensor<f32>
  %0 = nn.conv %x, %filter {strides = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>, dilations = array<i64: 1, 1>, groups = 480 : i64, layout = #nn.layout<channels_last>} : tensor<32x14x14x480xf16>, tensor<480x1x3x3xf16> -> tensor<32x14x14x480xf16>
  %1 = nn.cast %0 {kernel.row_sums, to = f32} : tensor<32x14x14x480xf16> -> tensor<32x14x14x480xf32>
  %2 = nn.reduce %1 {axes = array<i64: 2>, keep_dims, kernel.row_sums, kind = #nn.reduce_kind<sum>} : tensor<32x14x14x480xf32> -> tensor<32x14x1x480xf32>
  %3 = nn.reduce %2 {axes = array<i64: 1>, keep_dims, kind = #nn.reduce_kind<sum>} : tensor<32x14x1x480xf32> -> tensor<32x1x1x480xf32>
  %4 = nn.mul %3, %factor : tensor<32x1x1x480xf32>, tensor<f32> -> tensor<32x1x1x480xf32>
  %5 = nn.cast %4 {to = f16} : tensor<32x1x1x480xf32> -> tensor<32x1x1x480xf16>
  %6 = nn.conv %5, %w0 {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, layout = #nn.layout<channels_last>} : tensor<32x1x1x480xf16>, tensor<20x480x1x1xf16> -> tensor<32x1x1x20xf16>
  %7 = nn.silu %6 : tensor<32x1x1x20xf16> -> tensor<32x1x1x20xf16>
  %8 = nn.conv %7, %w1 {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, layout = #nn.layout<channels_last>} : tensor<32x1x1x20xf16>, tensor<480x20x1x1xf16> -> tensor<32x1x1x480xf16>
  %9 = nn.sigmoid %8 : tensor<32x1x1x480xf16> -> tensor<32x1x1x480xf16>
  return %0, %9 : tensor<32x14x14x480xf16>, tensor<32x1x1x480xf16>
}

// What is made of the sums by more than a factor stays a kernel of its own, and so does a row that is a part of another tensor.
// CHECK-LABEL: func.func @bent
// CHECK:         nn.reduce {{.*}}kernel.group = 1
// CHECK:         nn.relu {{.*}}kernel.group = 1
// CHECK:         nn.conv {{.*}}kernel.group = 3
// CHECK:         nn.conv {{.*}}kernel.group = 3
// CHECK:         nn.slice
// CHECK:         nn.conv {{.*}}kernel.group = 4
// CHECK:         nn.conv {{.*}}kernel.group = 5
func.func @bent(%x: tensor<1x14x14x480xf16>, %y: tensor<1x1x1x960xf16>) -> (tensor<1x14x14x480xf16>, tensor<1x1x1x480xf16>, tensor<1x1x1x480xf16>) {
  %filter = nn.constant dense<1.0> : tensor<480x1x3x3xf16>
  %w0 = nn.constant dense<1.0> : tensor<20x480x1x1xf16>
  %w1 = nn.constant dense<2.0> : tensor<480x20x1x1xf16>
  %0 = nn.conv %x, %filter {strides = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>, dilations = array<i64: 1, 1>, groups = 480 : i64, layout = #nn.layout<channels_last>} : tensor<1x14x14x480xf16>, tensor<480x1x3x3xf16> -> tensor<1x14x14x480xf16>
  %1 = nn.cast %0 {kernel.row_sums, to = f32} : tensor<1x14x14x480xf16> -> tensor<1x14x14x480xf32>
  %2 = nn.reduce %1 {axes = array<i64: 2>, keep_dims, kernel.row_sums, kind = #nn.reduce_kind<sum>} : tensor<1x14x14x480xf32> -> tensor<1x14x1x480xf32>
  %3 = nn.reduce %2 {axes = array<i64: 1>, keep_dims, kind = #nn.reduce_kind<sum>} : tensor<1x14x1x480xf32> -> tensor<1x1x1x480xf32>
  %4 = nn.relu %3 : tensor<1x1x1x480xf32> -> tensor<1x1x1x480xf32>
  %5 = nn.cast %4 {to = f16} : tensor<1x1x1x480xf32> -> tensor<1x1x1x480xf16>
  %6 = nn.conv %5, %w0 {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, layout = #nn.layout<channels_last>} : tensor<1x1x1x480xf16>, tensor<20x480x1x1xf16> -> tensor<1x1x1x20xf16>
  %7 = nn.conv %6, %w1 {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, layout = #nn.layout<channels_last>} : tensor<1x1x1x20xf16>, tensor<480x20x1x1xf16> -> tensor<1x1x1x480xf16>
  %8 = nn.slice %y {starts = #nn.dims<[0, 0, 0, 8]>, sizes = #nn.dims<[1, 1, 1, 480]>, steps = array<i64: 1, 1, 1, 1>} : tensor<1x1x1x960xf16> -> tensor<1x1x1x480xf16>
  %9 = nn.conv %8, %w0 {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, layout = #nn.layout<channels_last>} : tensor<1x1x1x480xf16>, tensor<20x480x1x1xf16> -> tensor<1x1x1x20xf16>
  %10 = nn.conv %9, %w1 {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, layout = #nn.layout<channels_last>} : tensor<1x1x1x20xf16>, tensor<480x20x1x1xf16> -> tensor<1x1x1x480xf16>
  return %0, %7, %10 : tensor<1x14x14x480xf16>, tensor<1x1x1x480xf16>, tensor<1x1x1x480xf16>
}
